;; Imports what no host of plugins has.
(component
  (import "example:files/read@1.0.0" (instance)))
