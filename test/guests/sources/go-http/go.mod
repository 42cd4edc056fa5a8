// Takes the place of the generated one. `pkg` is the package that generated code needs, which the generator's crate holds
// too; where all of the module proxy is to be had, its line without `replace` is enough.
module wit_component

go 1.25

require go.bytecodealliance.org/pkg v0.4.0

replace go.bytecodealliance.org/pkg => ./pkg
