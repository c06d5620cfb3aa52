package store_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/diga-io/diga-api/gen/apitype"
	"github.com/diga-io/diga-api/server/store"
	"github.com/diga-io/diga-api/server/store/storetest"
)

// TestBackup backs a store up while keys are deleted from it, one after the other: a copy that knows of a delete knows
// of all before it.
func TestBackup(t *testing.T) {
	s := storetest.Open(t, "sqlite:"+filepath.Join(t.TempDir(), "diga.db"))
	const keys = 300
	project := apitype.NewUUID()
	var ids []apitype.UUID
	for range keys {
		key, _ := storetest.Create(t, s, project)
		ids = append(ids, key.ID)
	}
	var acknowledged sync.Map
	var deleting sync.WaitGroup
	deleting.Go(func() {
		for _, id := range ids {
			if err := s.Delete(t.Context(), project, id, storetest.NewDeletion()); err != nil {
				t.Errorf("delete: %v", err)
				return
			}
			acknowledged.Store(id, true)
		}
	})
	for _, name := range []string{"first.db", "second 100%.db", "third?#'.db"} {
		var before []apitype.UUID
		acknowledged.Range(func(id, _ any) bool {
			before = append(before, id.(apitype.UUID))
			return true
		})
		file := filepath.Join(t.TempDir(), name)
		if err := s.Backup(t.Context(), file, nil); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != 0o600 {
			t.Errorf("mode %v, want 0600", info.Mode())
		}
		if entries, _ := os.ReadDir(filepath.Dir(file)); len(entries) != 1 {
			t.Errorf("beside the copy lies something else: %v", entries)
		}

		restored := storetest.Open(t, "sqlite:"+file)
		deleted := map[apitype.UUID]bool{}
		for key, err := range restored.List(t.Context(), store.Filter{Deleted: true}) {
			if err != nil {
				t.Fatal(err)
			}
			deleted[key.ID] = key.Deleted != nil
		}
		if len(deleted) != keys {
			t.Errorf("the copy holds %d keys, want %d", len(deleted), keys)
		}
		for _, id := range before {
			if !deleted[id] {
				t.Errorf("key %s was deleted before the copy was made, and lives in it", id)
			}
		}
		for i := 1; i < keys; i++ {
			if deleted[ids[i]] && !deleted[ids[i-1]] {
				t.Errorf("the copy holds delete %d without the one before it", i)
			}
		}
		if !strings.Contains(name, "?") { // which the driver alone takes for parameters
			var integrity string
			if err := raw(t, file).QueryRow(`PRAGMA integrity_check`).Scan(&integrity); err != nil || integrity != "ok" {
				t.Errorf("integrity check: %s, %v", integrity, err)
			}
		}
	}
	deleting.Wait()
}

func TestBackupRefused(t *testing.T) {
	s := storetest.Open(t, "sqlite:"+filepath.Join(t.TempDir(), "diga.db"))
	folder := t.TempDir()
	existing := filepath.Join(folder, "existing")
	if err := os.WriteFile(existing, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Backup(t.Context(), existing, nil); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over a file: %v, want fs.ErrExist", err)
	}
	if content, _ := os.ReadFile(existing); string(content) != "precious" {
		t.Errorf("the file now holds %q", content)
	}
	if err := s.Backup(t.Context(), filepath.Join(folder, "missing", "copy"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("into a missing folder: %v, want fs.ErrNotExist", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Backup(ctx, filepath.Join(folder, "copy"), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("with a cancelled context: %v, want context.Canceled", err)
	}
	// Ended while it runs: the first report comes when the copy has begun.
	ctx, cancel = context.WithCancel(t.Context())
	if err := s.Backup(ctx, filepath.Join(folder, "copy"), func(done, total int64) {
		if done > total || total == 0 {
			t.Errorf("%d bytes of %d are done", done, total)
		}
		cancel()
	}); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled while it runs: %v, want context.Canceled", err)
	} else if err == nil { // it was faster
		os.Remove(filepath.Join(folder, "copy"))
	}
	if entries, _ := os.ReadDir(folder); len(entries) != 1 {
		t.Errorf("a refused backup left something: %v", entries)
	}
}
