// Package godowntest is the test kit of the house: fake modules made from txtar
// archives, a fake mirror and a fake checksum database that serve them on
// loopback and can be broken in many ways while they run, and a contract suite
// for each interface of package godown.
//
//	mods := godowntest.NewModules(t, `
//	-- example.com/hello@v1.0.0/go.mod --
//	module example.com/hello
//	-- example.com/hello@v1.0.0/hello.go --
//	package hello
//	-- example.com/hello@master/.query --
//	v1.0.0
//	`)
//	up := godowntest.NewUpstream(t, mods)
//	db := godowntest.NewSumDB(t, "sum.test", mods)
//	up.Attach(db)
//	heal := up.Break(`\.zip$`, godowntest.Cut(1000))
//
// What takes a testing.TB ends with its test and fails it where something goes
// wrong; for programs each such function has a twin that returns an error and
// leaves closing to the caller. Nothing here reaches beyond loopback.
package godowntest
