module guests/reactor
go 1.24
