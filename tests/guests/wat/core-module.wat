;; WebAssembly, but no component.
(module)
