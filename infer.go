package godown

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"time"

	"golang.org/x/mod/module"
)

// The go command learns of many versions from @latest or a branch and never
// asks for their own .info, nor does it when it only builds. Offline somebody
// may. So what is known of such a version is kept where its .info belongs, and
// marked: upstream's own is better whenever it can be had.

// adoptInfo keeps the answer to @latest or a query as the .info of the version
// that it names, if there is none.
func (c *Cache) adoptInfo(ctx context.Context, req Request, data []byte) {
	var info struct{ Version string }
	if c.Answers == nil || req.Kind == List || json.Unmarshal(data, &info) != nil {
		return
	}
	of := Request{Kind: Info, Path: req.Path, Version: info.Version}
	if !of.Fixed() {
		return
	}
	if f, err := c.Store.Open(ctx, of.Name()); err == nil {
		f.Close()
		return
	}
	err := putString(ctx, c.Answers, of.Name(), "from "+req.Name()+"\n")
	if err == nil {
		err = c.Store.Put(ctx, of.Name(), bytes.NewReader(data))
	}
	if err != nil {
		c.storeFailed(of, err)
	}
}

// adopted reports whether the stored .info is only what adoptInfo has put there.
func (c *Cache) adopted(ctx context.Context, req Request) bool {
	if c.Answers == nil {
		return false
	}
	f, err := c.Answers.Open(ctx, req.Name())
	if err != nil {
		return false
	}
	f.Close()
	return true
}

// ownInfo is called when upstream's own .info has been stored.
func (c *Cache) ownInfo(ctx context.Context, req Request) {
	if !c.adopted(ctx, req) {
		return
	}
	if err := c.Answers.Delete(ctx, req.Name()); err != nil {
		c.storeFailed(req, err)
	}
}

// infer answers a request for a .info that cannot be fetched: with what was
// adopted, or else from the version's .mod or .zip in the store, which tell
// that it exists. Upstream's own "not found" stands.
func (c *Cache) infer(ctx context.Context, req Request, why error) (*File, error) {
	if req.Kind != Info || gone(why) {
		return nil, why
	}
	data, err := c.inferInfo(ctx, req)
	if err != nil {
		return nil, why
	}
	f := NewFile(data)
	f.Cache, f.StaleBy, f.ETag = Stale, why, etag(data)
	return f, nil
}

func (c *Cache) inferInfo(ctx context.Context, req Request) ([]byte, error) {
	for _, kind := range []Kind{Info, Mod, Zip} {
		f, err := c.Store.Open(ctx, Request{Kind: kind, Path: req.Path, Version: req.Version}.Name())
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		defer f.Close()
		if kind == Info {
			return readLimited(f, limits[Info])
		}
		info := struct {
			Version string
			Time    *time.Time `json:",omitempty"`
		}{Version: req.Version}
		if t, err := module.PseudoVersionTime(req.Version); err == nil {
			info.Time = &t
		}
		return json.Marshal(info)
	}
	return nil, fs.ErrNotExist
}
