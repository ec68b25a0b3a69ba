package godown_test

import (
	"context"
	"fmt"
	"log"
	"net/http/httptest"
	"net/url"
	"os"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/godowntest"
)

// A whole proxy: a Handler over a Cache over an Upstream. Hashes are those that
// were seen first; a [godown.Sums] would ask a checksum database.
func Example() {
	mirror, folder := exampleMirror()
	defer mirror.Close()
	defer os.RemoveAll(folder)

	location, _ := url.Parse(mirror.URL) // as in https://goproxy.cn
	store, _ := godown.OpenDir(folder + "/modules")
	seen, _ := godown.OpenDir(folder + "/seen")
	upstream := &godown.Upstream{URL: location}
	cache := &godown.Cache{Store: store, Source: upstream, Verifier: &godown.FirstSeen{Store: seen}}
	defer cache.Close(context.Background())
	server := httptest.NewServer(&godown.Handler{Source: cache})
	defer server.Close()

	proxy, _ := url.Parse(server.URL)
	req, _ := godown.ParseRequest("/example.com/hello/@v/v1.0.0.mod")
	mod, err := godown.ReadAll(context.Background(), &godown.Upstream{URL: proxy}, req, 1<<20)
	fmt.Printf("%s%v\n", mod, err)
	// Output:
	// module example.com/hello
	// <nil>
}

// exampleMirror starts a mirror on loopback, and makes a folder.
func exampleMirror() (*godowntest.Upstream, string) {
	mods, err := godowntest.ParseModules(helloModules)
	if err != nil {
		log.Fatal(err)
	}
	mirror, err := godowntest.StartUpstream(mods)
	if err != nil {
		log.Fatal(err)
	}
	folder, err := os.MkdirTemp("", "godown-example-*")
	if err != nil {
		log.Fatal(err)
	}
	return mirror, folder
}

// A list of mirrors as in GOPROXY: the second is asked after any error of the
// first, as "|" says, and direct is left out.
func ExampleFirst() {
	entries, err := godown.ParseGOPROXY("https://goproxy.cn|https://goproxy.io,direct")
	if err != nil {
		log.Fatal(err)
	}
	var steps []godown.Step
	for _, e := range entries {
		if e.URL != nil {
			steps = append(steps, godown.Step{Source: &godown.Upstream{URL: e.URL}, Any: e.Any})
		}
	}
	_ = godown.First(steps...)
	fmt.Println(len(steps), steps[0].Any, steps[1].Any)
	// Output: 2 true false
}
