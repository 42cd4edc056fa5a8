(module (func (export "f") (param i32) (result i32) (i32.mul (i32.add (local.get 0) (i32.const 11)) (i32.const 16777619))))
