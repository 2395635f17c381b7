;; Exports the contract in a version that no host speaks yet.
(component
  (instance $plugin)
  (export "callspan:transform/plugin@0.9.0" (instance $plugin))
)
