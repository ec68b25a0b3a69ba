package main

import (
	"net"
	"os"
	"slices"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	u, ok := parseStat([]byte("77 (a) b (c) S 12 1 1 0 -1 4194560 1 2 3 4 5 6 70 80 20 0 1 0 100 200 300\n"))
	if want := (usage{parent: 12, own: 110 * time.Millisecond, waited: 1500 * time.Millisecond}); !ok || u != want {
		t.Errorf("it is %+v, %v, not %+v", u, ok, want)
	}
	for _, bad := range []string{"", "77 (a) S 12", "77 (a) S x 1 1 0 -1 4194560 1 2 3 4 5 6 70 80 20 0 1"} {
		if u, ok := parseStat([]byte(bad)); ok {
			t.Errorf("%q is %+v", bad, u)
		}
	}
}

func TestSumTree(t *testing.T) {
	all := map[int]usage{
		1:  {parent: 0, own: 1000, waited: 1000},
		10: {parent: 1, own: 1, waited: 2},
		11: {parent: 10, own: 4, waited: 8},
		12: {parent: 11, own: 16},
		20: {parent: 1, own: 32},
		30: {parent: 31, own: 64}, // a ring, as of an identifier used again meanwhile
		31: {parent: 30, own: 64},
	}
	if got := sumTree(all, []int{10}); got != 31 {
		t.Errorf("the tree has %d, not 31", got)
	}
	if got := sumTree(all, []int{10, 12, 20}); got != 63 {
		t.Errorf("three trees, two of them nested, have %d, not 63", got)
	}
}

func TestProcesses(t *testing.T) {
	if _, err := cpuOfTree([]int{os.Getpid()}); err != nil {
		t.Error(err)
	}
	if _, err := cpuOfChildren(); err != nil {
		t.Error(err)
	}
	for _, none := range [][]int{nil, {1 << 30}} {
		if cpu, err := cpuOfTree(none); err == nil {
			t.Errorf("processes %v have used %v", none, cpu)
		}
	}
}

func TestListeners(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if pids := listeners(address); !slices.Equal(pids, []int{os.Getpid()}) {
		t.Errorf("processes %v listen, not ours, %d", pids, os.Getpid())
	}
	l.Close()
	if pids := listeners(address); len(pids) > 0 {
		t.Errorf("processes %v listen where nobody does", pids)
	}
}
