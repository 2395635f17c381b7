;; Imports a part of WASI, as anything does that was built for wasm32-wasip2.
(component
  (import "wasi:clocks/wall-clock@0.2.0" (instance))
)
