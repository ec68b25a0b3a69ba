package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/publish"
	"github.com/godown-dev/godown/internal/toolbox/lang"
	"github.com/godown-dev/godown/internal/toolbox/modcache"
	"golang.org/x/mod/module"
)

// onlyHere returns what says of a version of the store that nobody else may have it:
// a module that is private by the configuration; or was when it was fetched, as its
// hash was kept; or was published here.
func onlyHere(ctx context.Context, cfg *Config) (only func(modcache.Version) lang.Text, closeAll func() error) {
	private := joinPatterns(cfg.Private, cfg.NoProxy, cfg.NoSumDB, cfg.Publish)
	seenStore, closeSeen, seenErr := openIfThere(filepath.Join(cfg.Data, "seen"))
	shelf, closeShelf, shelfErr := openIfThere(filepath.Join(cfg.Data, "published"))
	published, err := (&publish.Shelf{Store: shelf}).Modules(ctx)
	shelfErr = errors.Join(shelfErr, err)
	seen := &godown.FirstSeen{Store: seenStore}
	only = func(v modcache.Version) lang.Text {
		switch {
		case v.Toolchain() != "":
			return lang.Text{}
		case module.MatchPrefixPatterns(private, v.Path):
			return lang.Text{En: "it is private by the configuration, and its origin may be gone", Zh: "按配置属于私有模块，其来源可能已不存在"}
		case slices.Contains(published, v.Path):
			return lang.Text{En: "versions of it were published here", Zh: "该模块有版本发布在此"}
		case shelfErr != nil:
			return lang.Text{En: "whether it was published here is not known: %s", Zh: "无法得知它是否发布在此：%s"}.With(shelfErr)
		case seenErr != nil:
			return lang.Text{En: "whether it was private when it was fetched is not known: %s", Zh: "无法得知下载时它是否为私有模块：%s"}.With(seenErr)
		}
		for _, kind := range []godown.Kind{godown.Zip, godown.Mod} {
			const none = "h1:" // no file's hash
			err := seen.Compare(ctx, godown.Request{Kind: kind, Path: v.Path, Version: v.Version}, none, false)
			if u, ok := errors.AsType[*godown.Unverified](err); ok && !u.Absent {
				return lang.Text{En: "whether it was private when it was fetched is not known: %s", Zh: "无法得知下载时它是否为私有模块：%s"}.With(err)
			}
			if saw(err) {
				return lang.Text{En: "no checksum database vouched for it when it was fetched: it may be private, and its origin gone", Zh: "下载时没有校验和数据库为它作证：它可能是私有模块，来源可能已不存在"}
			}
		}
		return lang.Text{}
	}
	return only, func() error { return errors.Join(closeSeen(), closeShelf()) }
}

// openIfThere opens a folder as a store; one that is not there holds nothing.
func openIfThere(folder string) (godown.Store, func() error, error) {
	none := func() error { return nil }
	if _, err := os.Lstat(folder); err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return godown.Unwritable(err), none, nil
		}
		return godown.Unwritable(err), none, err
	}
	dir, err := godown.OpenDir(folder)
	if err != nil {
		return godown.Unwritable(err), none, err
	}
	return dir, dir.Close, nil
}
