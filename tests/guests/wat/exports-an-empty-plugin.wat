;; Exports the contract by name, without any of its functions.
(component
  (instance $plugin)
  (export "callspan:transform/plugin@0.1.0" (instance $plugin))
)
