module guests/probe
go 1.24
