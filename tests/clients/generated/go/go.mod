module pushi.tests/program

go 1.23

require pushi.tests/client v0.0.0

replace pushi.tests/client => ./client
