package main

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// What processes use is read from /proc, which only Linux has: elsewhere
// (proc_other.go) only figures by the clock are shown.

// tick is the unit of times in /proc: USER_HZ is 100 everywhere.
const tick = 10 * time.Millisecond

// usage is what is read of a process's stat file.
type usage struct {
	parent int
	own    time.Duration // CPU time, user and system
	waited time.Duration // of descendants that have ended
}

// parseStat reads a stat file. The second field, a name in parentheses, may hold anything.
func parseStat(data []byte) (u usage, ok bool) {
	f := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	if len(f) < 15 {
		return u, false
	}
	var n [5]int
	for i, at := range []int{1, 11, 12, 13, 14} { // ppid, utime, stime, cutime, cstime
		var err error
		if n[i], err = strconv.Atoi(f[at]); err != nil {
			return u, false
		}
	}
	u.parent, u.own, u.waited = n[0], time.Duration(n[1]+n[2])*tick, time.Duration(n[3]+n[4])*tick
	return u, true
}

// cpuOfTree returns the CPU time of processes with all their descendants, in
// steps of 10 ms. One that was left by its parent counts as none.
func cpuOfTree(pids []int) (time.Duration, error) {
	all := make(map[int]usage)
	names, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil { // it has ended
			continue
		}
		pid, err := strconv.Atoi(strings.Split(name, "/")[2])
		if u, ok := parseStat(data); ok && err == nil {
			all[pid] = u
		}
	}
	if len(pids) == 0 {
		return 0, errNoProcess
	}
	for _, pid := range pids {
		if _, ok := all[pid]; !ok {
			return 0, fmt.Errorf("process %d: %w", pid, errNoProcess)
		}
	}
	return sumTree(all, pids), nil
}

// sumTree adds up what processes and their descendants have used.
func sumTree(all map[int]usage, pids []int) (total time.Duration) {
	for pid, u := range all {
		for at, steps := pid, 0; steps < len(all); steps++ {
			if slices.Contains(pids, at) {
				total += u.own + u.waited
				break
			}
			parent, ok := all[at]
			if !ok {
				break
			}
			at = parent.parent
		}
	}
	return total
}

// cpuOfChildren returns the CPU time of our descendants that have ended.
func cpuOfChildren() (time.Duration, error) {
	data, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return 0, err
	}
	u, ok := parseStat(data)
	if !ok {
		return 0, errNoProcess
	}
	return u.waited, nil
}

// listeners returns the processes that listen on a port of this machine: a
// master and its workers share the socket.
func listeners(address string) (pids []int) {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil
	}
	suffix := ":" + strings.ToUpper(hex.EncodeToString([]byte{byte(n >> 8), byte(n)}))
	sockets := make(map[string]bool)
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		data, _ := os.ReadFile(table)
		for line := range strings.Lines(string(data)) {
			f := strings.Fields(line)
			if len(f) > 9 && f[3] == "0A" && strings.HasSuffix(f[1], suffix) { // LISTEN
				sockets["socket:["+f[9]+"]"] = true
			}
		}
	}
	links, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, link := range links {
		to, err := os.Readlink(link)
		if err != nil || !sockets[to] {
			continue
		}
		if pid, err := strconv.Atoi(strings.Split(link, "/")[2]); err == nil && !slices.Contains(pids, pid) {
			pids = append(pids, pid)
		}
	}
	return pids
}
