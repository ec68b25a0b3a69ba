//go:build unix

package main

import (
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/godown-dev/godown/internal/godowntest"
	"github.com/rogpeppe/go-internal/testscript"
)

// upstream [-nosumdb] NAME [FOLDER] starts a fake mirror of the modules in
// FOLDER (mods) and sets $NAME_URL and $NAME_HOST. With the first of a folder begins a checksum
// database, called sum as the servers' name is; all mirrors that are not
// given -nosumdb pass it on. $SUMDB names it by its key, $SUMDB_URL with its URL too.
func cmdUpstream(ts *testscript.TestScript, neg bool, args []string) {
	w := worldOf(ts)
	attach := true
	if len(args) > 0 && args[0] == "-nosumdb" {
		attach, args = false, args[1:]
	}
	usage(ts, !neg && (len(args) == 1 || len(args) == 2), "upstream [-nosumdb] NAME [FOLDER]")
	name, folder := args[0], "mods"
	if len(args) == 2 {
		folder = args[1]
	}
	mods := w.modules(ts, folder)
	up, err := godowntest.StartUpstream(mods)
	ts.Check(err)
	w.upstreams[name], w.servers[name], w.mirrored[name] = up, &up.Server, mods
	setenv(ts, name+"_URL", up.URL)
	setenv(ts, name+"_HOST", strings.TrimPrefix(up.URL, "http://"))
	if !attach {
		return
	}
	db, ok := w.databases[folder]
	if !ok {
		db, err = godowntest.StartSumDB("sum.test", mods)
		ts.Check(err)
		w.databases[folder] = db
		w.servers["sum"] = &db.Server
		setenv(ts, "SUMDB", db.Spec())
		setenv(ts, "SUMDB_URL", db.SpecURL())
	}
	up.Attach(db)
}

// fault [-n N] NAME REGEXP KIND ARGS… switches a fault of package godowntest on,
// for all or for N requests.
func cmdFault(ts *testscript.TestScript, neg bool, args []string) {
	times := -1
	if len(args) > 1 && args[0] == "-n" {
		n, err := strconv.Atoi(args[1])
		ts.Check(err)
		times, args = n, args[2:]
	}
	usage(ts, !neg && len(args) >= 3, "fault [-n N] NAME REGEXP KIND ARGS...")
	f, err := parseFault(ts, args[2], args[3:])
	if err != nil {
		ts.Fatalf("fault %s: %v", args[2], err)
	}
	worldOf(ts).server(ts, args[0]).BreakTimes(times, args[1], f)
}

func parseFault(ts *testscript.TestScript, kind string, args []string) (f godowntest.Fault, err error) {
	arg := func(i int) string {
		if i < len(args) {
			return args[i]
		}
		err = fmt.Errorf("it lacks an argument")
		return "0"
	}
	number := func(i int) int {
		n, convErr := strconv.Atoi(arg(i))
		if convErr != nil {
			err = convErr
		}
		return n
	}
	switch kind {
	case "status": // CODE TEXT HEADER…
		f = godowntest.Status(number(0), arg(1), args[min(2, len(args)):]...)
	case "replace": // TYPE FILE
		f = godowntest.Replace(arg(0), []byte(ts.ReadFile(arg(1))))
	case "login":
		f = godowntest.LoginPage()
	case "flip":
		f = godowntest.Flip(number(0))
	case "shorten":
		f = godowntest.Shorten(number(0))
	case "cut":
		f = godowntest.Cut(int64(number(0)))
	case "stall":
		f = godowntest.Stall(int64(number(0)))
	case "hang":
		f = godowntest.Hang()
	case "reset":
		f = godowntest.Reset(int64(number(0)))
	case "latency":
		d, convErr := time.ParseDuration(arg(0))
		if convErr != nil {
			err = convErr
		}
		f = godowntest.Latency(d)
	case "rate":
		f = godowntest.Rate(number(0))
	case "badsignature":
		f = godowntest.BadSignature()
	default:
		return nil, fmt.Errorf("there is no such fault")
	}
	return f, err
}

// heal NAME switches all faults off.
func cmdHeal(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) == 1, "heal NAME")
	worldOf(ts).server(ts, args[0]).Heal()
}

// vanish NAME… makes servers refuse connections. The database sum takes /sumdb/
// of the mirrors with it.
func cmdVanish(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) > 0, "vanish NAME...")
	w := worldOf(ts)
	for _, name := range args {
		w.server(ts, name).Vanish()
		if name == "sum" {
			for _, up := range w.upstreams {
				up.Break("^sumdb/.*", godowntest.Status(http.StatusBadGateway, "the checksum database is down"))
			}
		}
	}
}

// return NAME… undoes vanish.
func cmdReturn(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) > 0, "return NAME...")
	w := worldOf(ts)
	for _, name := range args {
		ts.Check(w.server(ts, name).Return())
		if name == "sum" {
			for _, up := range w.upstreams {
				up.Heal()
			}
		}
	}
}

// requests [-header REGEXP] NAME REGEXP COUNT says how many requests a server
// got whose names match, and with -header had a header line that matches. COUNT
// may be N, or >N.
func cmdRequests(ts *testscript.TestScript, neg bool, args []string) {
	var header *regexp.Regexp
	if len(args) > 1 && args[0] == "-header" {
		header, args = regexp.MustCompile(args[1]), args[2:]
	}
	usage(ts, !neg && len(args) == 3, "requests [-header REGEXP] NAME REGEXP COUNT")
	log := worldOf(ts).server(ts, args[0]).Log()
	match := regexp.MustCompile(args[1])
	n := 0
	for _, r := range log {
		ok := match.MatchString(r.Name)
		if ok && header != nil {
			var b strings.Builder
			_ = r.Header.Write(&b)
			ok = header.MatchString(b.String())
		}
		if ok {
			n++
		}
	}
	at, least := strings.CutPrefix(args[2], ">")
	want, err := strconv.Atoi(at)
	ts.Check(err)
	if least && n > want || !least && n == want {
		return
	}
	for _, r := range log {
		ts.Logf("%s %s", r.Method, r.Name)
	}
	ts.Fatalf("%s got %d requests that match %s, want %s", args[0], n, args[1], args[2])
}

// forget NAME… forgets the requests so far.
func cmdForget(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) > 0, "forget NAME...")
	for _, name := range args {
		worldOf(ts).server(ts, name).Reset()
	}
}

// bulk NAME COUNT SIZE adds versions bulk.test/mN@v1.0.0 with zips of SIZE bytes to a mirror.
func cmdBulk(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) == 3 && worldOf(ts).mirrored[args[0]] != nil, "bulk UPSTREAM COUNT SIZE")
	count, err := strconv.Atoi(args[1])
	ts.Check(err)
	size, err := strconv.ParseInt(args[2], 10, 64)
	ts.Check(err)
	for i := range count {
		ts.Check(worldOf(ts).mirrored[args[0]].AddBig(fmt.Sprintf("bulk.test/m%d", i), "v1.0.0", size))
	}
}

// lie MODULE VERSION FOLDER makes the checksum database of mods sign the
// hashes that the version has in another folder of modules.
func cmdLie(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) == 3, "lie MODULE VERSION FOLDER")
	w := worldOf(ts)
	sums, ok := w.modules(ts, args[2]).Sums(args[0], args[1])
	db := w.databases["mods"]
	if !ok || db == nil {
		ts.Fatalf("there is no %s@%s, or no database", args[0], args[1])
	}
	db.Lie(args[0], args[1], sums)
}

// evilzip MODULE VERSION KIND FILE writes one of godowntest.EvilZips to a file.
func cmdEvilZip(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) == 4, "evilzip MODULE VERSION KIND FILE")
	data, ok := godowntest.EvilZips(args[0], args[1])[args[2]]
	if !ok {
		ts.Fatalf("there is no evil zip %q", args[2])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[3]), data, 0o666))
}
