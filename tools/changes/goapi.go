package main

import (
	"context"
	"fmt"
	"go/types"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/exp/apidiff"
	"golang.org/x/tools/go/packages"
)

// public lists the packages that others import.
var public = []string{"client", "client/clienttest", "contract", "gen/apitype"}

// goChanges compares the exported names of the public packages.
func goChanges(ctx context.Context, oldRoot, newRoot string) ([]change, error) {
	was, err := exported(ctx, oldRoot)
	if err != nil {
		return nil, err
	}
	is, err := exported(ctx, newRoot)
	if err != nil {
		return nil, err
	}
	var changes []change
	for _, name := range slices.Sorted(maps.Keys(was)) {
		if is[name] == nil {
			changes = append(changes, change{name: name, text: "the package was removed", breaking: true})
			continue
		}
		for _, c := range apidiff.Changes(was[name], is[name]).Changes {
			symbol, _, _ := strings.Cut(c.Message, ": ")
			changes = append(changes, change{name: name + ": " + symbol, text: c.Message, breaking: !c.Compatible})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(is)) {
		if was[name] == nil {
			changes = append(changes, change{name: name, text: "the package is new"})
		}
	}
	return changes, nil
}

// exported loads the public packages that exist below root.
func exported(ctx context.Context, root string) (map[string]*types.Package, error) {
	found := map[string]*types.Package{}
	for _, name := range public {
		if _, err := os.Stat(filepath.Join(root, name)); err != nil {
			continue
		}
		loaded, err := packages.Load(&packages.Config{Context: ctx, Dir: root, Mode: packages.LoadTypes}, "./"+name)
		if err != nil {
			return nil, err
		}
		if len(loaded) != 1 {
			return nil, fmt.Errorf("%s is %d packages", name, len(loaded))
		}
		if len(loaded[0].Errors) > 0 {
			return nil, fmt.Errorf("%s: %w", name, loaded[0].Errors[0])
		}
		found[name] = loaded[0].Types
	}
	return found, nil
}
