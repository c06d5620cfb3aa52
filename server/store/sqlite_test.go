package store_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/diga-io/diga-api/gen/apitype"
	"github.com/diga-io/diga-api/server/apikey"
	"github.com/diga-io/diga-api/server/store"
	"github.com/diga-io/diga-api/server/store/storetest"
)

// TestMain lets the test binary be another process on the same store: it opens the store, says what came of it, and
// ends without closing it, as a killed process does.
func TestMain(m *testing.M) {
	url := os.Getenv("STORE_TEST_OPEN")
	if url == "" {
		os.Exit(m.Run())
	}
	if os.Getenv("STORE_TEST_UNPRIVILEGED") != "" && os.Geteuid() == 0 {
		if err := errors.Join(syscall.Setgid(65534), syscall.Setuid(65534)); err != nil {
			fmt.Println(err)
			os.Exit(2)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	readOnly := os.Getenv("STORE_TEST_READ_ONLY") != ""
	s, err := store.Open(ctx, url, store.Options{Migrate: !readOnly, ReadOnly: readOnly})
	if err == nil && readOnly {
		err = errors.Join(s.CheckWritable(ctx), s.Close())
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	os.Exit(0)
}

// openElsewhere opens the store in another process and gives what Open said there.
func openElsewhere(t *testing.T, url string, environment ...string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), os.Args[0])
	command.Env = append(os.Environ(), append(environment, "STORE_TEST_OPEN="+url)...)
	output, err := command.CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) {
		t.Fatalf("the other process: %v\n%s", err, output)
	}
	return string(output)
}

// raw opens the file past the store.
func raw(t *testing.T, path string) *sql.DB {
	t.Helper()
	return storetest.Connect(t, "sqlite:"+path)
}

func newerSchema(t *testing.T, db *sql.DB) {
	t.Helper()
	storetest.Exec(t, db, `INSERT INTO diga_schema_version (version_id, is_applied) VALUES ($1, $2)`, store.Head+1, true)
}

func TestSQLiteNewFile(t *testing.T) {
	for _, name := range []string{"diga.db", "with space.db", "a?mode=memory", "#1.db", "100%41.db", "ünï鍵.db", "a&b=c;d'\".db"} {
		path := filepath.Join(t.TempDir(), name)
		s := storetest.Open(t, "sqlite:"+path)
		storetest.Create(t, s, apitype.NewUUID())
		info, err := os.Stat(path)
		if err != nil {
			t.Errorf("the file is not at its path: %v", err)
			continue
		}
		if mode := info.Mode(); mode != 0o600 {
			t.Errorf("%s: mode %v, want 0600", name, mode)
		}
		if s.String() != "sqlite:"+path {
			t.Errorf("the store's name is %q, want %q", s, "sqlite:"+path)
		}
		var journal string
		if err := raw(t, path).QueryRow(`PRAGMA journal_mode`).Scan(&journal); err != nil && !strings.Contains(name, "?") || journal != "wal" && !strings.Contains(name, "?") {
			t.Errorf("%s: journal_mode %q, %v; want wal", name, journal, err)
		}
	}
}

func TestSQLiteRelativePath(t *testing.T) {
	t.Chdir(t.TempDir())
	s := storetest.Open(t, "sqlite:diga.db")
	if _, err := os.Stat("diga.db"); err != nil {
		t.Error(err)
	}
	if folder, err := os.Getwd(); err != nil || s.String() != "sqlite:"+filepath.Join(folder, "diga.db") {
		t.Errorf("%v: the store's name is %q, want the whole path", err, s)
	}
}

// TestSQLiteRefused opens what is no store of this program: one sentence says so, and nothing is touched.
func TestSQLiteRefused(t *testing.T) {
	store1 := func(t *testing.T, path string) *store.Store {
		s, err := store.Open(t.Context(), "sqlite:"+path, store.Options{Migrate: true})
		if err != nil {
			t.Fatal(err)
		}
		for range 10 {
			key, _ := storetest.NewKey(apitype.NewUUID())
			key.Name = strings.Repeat("long ", 1000)
			if err := s.Create(t.Context(), key, apikey.NewSecret().Hash()); err != nil {
				t.Fatal(err)
			}
		}
		return s
	}
	for _, test := range []struct {
		name    string
		prepare func(t *testing.T, path string)
		options store.Options
		want    string // in the error
		is      error
	}{
		{
			name:    "missing folder",
			prepare: func(t *testing.T, path string) { os.Remove(filepath.Dir(path)) },
			options: store.Options{Migrate: true},
			want:    "no such file or directory",
		},
		{
			name:    "missing file, not to be made",
			prepare: func(t *testing.T, path string) {},
			want:    "there is no such file: check the path; `diga-api migrate` creates a new store",
			is:      store.ErrOlderSchema,
		},
		{
			name:    "missing file, only to be read",
			prepare: func(t *testing.T, path string) {},
			options: store.Options{Migrate: true, ReadOnly: true},
			want:    "there is no such file",
			is:      store.ErrOlderSchema,
		},
		{
			name: "empty file, not to be migrated",
			prepare: func(t *testing.T, path string) {
				if err := os.WriteFile(path, nil, 0o600); err != nil {
					t.Fatal(err)
				}
			},
			want: "there is no store in this database: check the URL; `diga-api migrate` creates a new store",
			is:   store.ErrOlderSchema,
		},
		{
			name: "folder",
			prepare: func(t *testing.T, path string) {
				if err := os.Mkdir(path, 0o700); err != nil {
					t.Fatal(err)
				}
			},
			options: store.Options{Migrate: true},
			want:    "not a file",
		},
		{
			name: "folder in place of a file's folder",
			prepare: func(t *testing.T, path string) {
				if err := errors.Join(os.Remove(filepath.Dir(path)), os.WriteFile(filepath.Dir(path), nil, 0o600)); err != nil {
					t.Fatal(err)
				}
			},
			options: store.Options{Migrate: true},
			want:    "not a directory",
		},
		{
			name: "text",
			prepare: func(t *testing.T, path string) {
				if err := os.WriteFile(path, []byte(strings.Repeat("Dear diary, ", 1000)), 0o644); err != nil {
					t.Fatal(err)
				}
			},
			options: store.Options{Migrate: true},
			want:    "not a database",
		},
		{
			name: "cut off",
			prepare: func(t *testing.T, path string) {
				store1(t, path).Close()
				if err := os.Truncate(path, 8192); err != nil {
					t.Fatal(err)
				}
			},
			options: store.Options{Migrate: true},
			want:    "the database is damaged, restore a backup",
		},
		{
			name: "overwritten",
			prepare: func(t *testing.T, path string) {
				store1(t, path).Close()
				file, err := os.OpenFile(path, os.O_WRONLY, 0)
				if err != nil {
					t.Fatal(err)
				}
				defer file.Close()
				if _, err := file.WriteAt(bytes.Repeat([]byte{0xa5}, 3000), 100); err != nil {
					t.Fatal(err)
				}
			},
			options: store.Options{Migrate: true},
			want:    "the database is damaged, restore a backup",
		},
		{
			name: "another program's database",
			prepare: func(t *testing.T, path string) {
				storetest.Exec(t, raw(t, path), `CREATE TABLE cookies (name TEXT)`)
			},
			options: store.Options{Migrate: true},
			want:    "it contains the tables of another program",
		},
		{
			name: "newer schema",
			prepare: func(t *testing.T, path string) {
				store1(t, path).Close()
				db := raw(t, path)
				newerSchema(t, db)
				db.Close()
			},
			options: store.Options{Migrate: true},
			want: fmt.Sprintf("it is at version %[1]d and needs a program that knows version %[1]d, this one knows %[2]d; run a newer diga-api",
				store.Head+1, store.Head),
			is: store.ErrNewerSchema,
		},
		{
			name: "newer schema, left by a process that was killed",
			prepare: func(t *testing.T, path string) {
				other := filepath.Join(t.TempDir(), "other.db")
				s := store1(t, other)
				defer s.Close()
				newerSchema(t, raw(t, other))
				for _, suffix := range []string{"", "-wal"} {
					content, err := os.ReadFile(other + suffix)
					if err == nil {
						err = os.WriteFile(path+suffix, content, 0o600)
					}
					if err != nil {
						t.Fatal(err)
					}
				}
			},
			options: store.Options{Migrate: true},
			want:    "the schema is newer than this program",
			is:      store.ErrNewerSchema,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			folder := filepath.Join(t.TempDir(), "folder")
			if err := os.Mkdir(folder, 0o700); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(folder, "diga.db")
			test.prepare(t, path)
			before := snapshot(folder)
			_, err := store.Open(t.Context(), "sqlite:"+path, test.options)
			if err == nil {
				t.Fatal("it was opened")
			}
			t.Log(err)
			if !strings.HasPrefix(err.Error(), "sqlite:"+path+": ") || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %q, want the store's name and %q", err, test.want)
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("error %q is more than a sentence", err)
			}
			if test.is != nil && !errors.Is(err, test.is) {
				t.Errorf("error %v is not %v", err, test.is)
			}
			if errors.Is(err, store.ErrURL) {
				t.Errorf("error %v blames the URL", err)
			}
			after := snapshot(folder)
			// To read a write-ahead log SQLite needs an index, which it creates if a killed process left none.
			delete(after, "diga.db-shm")
			if !maps.Equal(before, after) {
				t.Errorf("the folder has changed: %v, was %v", slices.Collect(maps.Keys(after)), slices.Collect(maps.Keys(before)))
			}
		})
	}
}

// snapshot are the contents of the files in a folder.
func snapshot(folder string) map[string]string {
	contents := map[string]string{}
	entries, _ := os.ReadDir(folder)
	for _, entry := range entries {
		content, err := os.ReadFile(filepath.Join(folder, entry.Name()))
		contents[entry.Name()] = fmt.Sprint(string(content), err)
		if err == nil {
			contents[entry.Name()] = string(content)
		}
	}
	return contents
}

func TestSQLiteNotWritable(t *testing.T) {
	for _, test := range []struct {
		name         string
		folder, file os.FileMode
		create       bool
		want         string
	}{
		{"read-only file", 0o777, 0o444, true, "the file, or its folder, is read-only"},
		{"read-only folder and file", 0o555, 0o444, true, "the file, or its folder, is read-only"},
		{"read-only folder", 0o555, 0o666, true, "the file, or its folder, is read-only"},
		{"unreadable file", 0o777, 0o000, true, "the file cannot be opened"},
		{"no file in a read-only folder", 0o555, 0, false, "permission denied"},
	} {
		t.Run(test.name, func(t *testing.T) {
			folder, err := os.MkdirTemp("", "store") // which other accounts may enter
			if err != nil {
				t.Fatal(err)
			}
			defer os.RemoveAll(folder)
			path := filepath.Join(folder, "diga.db")
			if test.create {
				s := storetest.Open(t, "sqlite:"+path)
				storetest.Create(t, s, apitype.NewUUID())
				if err := errors.Join(s.Close(), os.Chmod(path, test.file)); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Chmod(folder, test.folder); err != nil {
				t.Fatal(err)
			}
			defer os.Chmod(folder, 0o700)
			said := openElsewhere(t, "sqlite:"+path, "STORE_TEST_UNPRIVILEGED=1")
			t.Log(said)
			if !strings.Contains(said, test.want) {
				t.Errorf("said %q, want %q", said, test.want)
			}
		})
	}
}

// TestSQLiteKilled opens a file whose last process ended without closing it.
func TestSQLiteKilled(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "diga.db")
	running := storetest.Open(t, "sqlite:"+path)
	key, _ := storetest.Create(t, running, apitype.NewUUID())
	kept, secret := storetest.Create(t, running, apitype.NewUUID())
	if err := running.Delete(t.Context(), key.ProjectID, key.ID, storetest.NewDeletion()); err != nil {
		t.Fatal(err)
	}
	// What would be on the disk if it were killed now.
	left := filepath.Join(t.TempDir(), "diga.db")
	for suffix, content := range map[string]string{"": snapshot(folder)["diga.db"], "-wal": snapshot(folder)["diga.db-wal"]} {
		if err := os.WriteFile(left+suffix, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	again := storetest.Open(t, "sqlite:"+left)
	if err := again.Delete(t.Context(), key.ProjectID, key.ID, storetest.NewDeletion()); !errors.Is(err, apikey.ErrNotFound) {
		t.Errorf("delete of the deleted key: %v, want ErrNotFound", err)
	}
	if got, err := again.Authenticate(t.Context(), secret.Hash()); err != nil || got.ID != kept.ID {
		t.Errorf("authenticate: %v, %v", got, err)
	}
}

func TestSQLiteManyProcessesOnANewFile(t *testing.T) {
	url := "sqlite:" + filepath.Join(t.TempDir(), "diga.db")
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			if said := openElsewhere(t, url); said != "" {
				t.Error(said)
			}
		})
	}
	wg.Wait()
	storetest.CheckMigratedOnce(t, raw(t, strings.TrimPrefix(url, "sqlite:")))
	if err := storetest.Open(t, url).CheckSchema(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestSQLiteLocked has another connection hold the write lock: the caller gets an error in time, and nothing is deleted.
func TestSQLiteLocked(t *testing.T) {
	path := filepath.Join(t.TempDir(), "diga.db")
	s := storetest.Open(t, "sqlite:"+path)
	key, secret := storetest.Create(t, s, apitype.NewUUID())
	other := raw(t, path)
	storetest.Exec(t, other, `BEGIN IMMEDIATE`)

	// A short deadline ends the wait for the lock. With a long one the store itself gives up.
	for deadline, byDeadline := range map[time.Duration]bool{100 * time.Millisecond: true, time.Minute: false} {
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), deadline)
				defer cancel()
				err := s.Delete(ctx, key.ProjectID, key.ID, storetest.NewDeletion())
				if err == nil || errors.Is(err, apikey.ErrNotFound) || errors.Is(err, context.DeadlineExceeded) != byDeadline {
					t.Errorf("delete with a deadline of %s: %v", deadline, err)
				}
			})
		}
		wg.Wait()
	}
	if err := s.CheckWritable(t.Context()); err == nil {
		t.Error("the store says that it can be written to")
	}
	if _, err := s.Authenticate(t.Context(), secret.Hash()); err != nil {
		t.Errorf("authenticate: %v", err)
	}
	_, err := store.Open(t.Context(), "sqlite:"+path, store.Options{Migrate: true})
	if err != nil {
		t.Errorf("a server cannot start while the lock is held: %v", err)
	}

	storetest.Exec(t, other, `ROLLBACK`)
	if err := s.CheckWritable(t.Context()); err != nil {
		t.Errorf("check after the lock is gone: %v", err)
	}
	if err := s.Delete(t.Context(), key.ProjectID, key.ID, storetest.NewDeletion()); err != nil {
		t.Errorf("delete after the lock is gone: %v", err)
	}
}

// TestSQLitePurgeWaits has another connection hold the write lock for longer than a statement waits for it.
func TestSQLitePurgeWaits(t *testing.T) {
	url := sqlite(t)
	s := storetest.Open(t, url)
	storetest.FillTombstones(t, url, 3)
	other := storetest.Connect(t, url)
	storetest.Exec(t, other, `BEGIN IMMEDIATE`)
	purged := make(chan error, 1)
	go func() {
		_, err := s.Purge(t.Context(), time.Now(), nil)
		purged <- err
	}()
	elsewhere := storetest.Connect(t, url+"?_pragma=busy_timeout(1000)")
	for range 2 { // each waits as long as a statement of the purge
		if _, err := elsewhere.ExecContext(t.Context(), `BEGIN IMMEDIATE`); err == nil {
			t.Fatal("the lock is free")
		}
	}
	storetest.Exec(t, other, `ROLLBACK`)
	if err := <-purged; err != nil {
		t.Error(err)
	}
	if left, err := s.CountTombstones(t.Context(), time.Now()); err != nil || left != 0 {
		t.Errorf("%d tombstones are left, %v", left, err)
	}
}

// TestSQLiteFull leaves no room on the disk, as far as its own process can tell: an error, nothing half-done, and all is
// well once there is room again.
func TestSQLiteFull(t *testing.T) {
	if os.Getenv("STORE_TEST_FULL") == "" {
		command := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestSQLiteFull$")
		command.Env = append(os.Environ(), "STORE_TEST_FULL=1")
		if output, err := command.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, output)
		}
		return
	}
	path := filepath.Join(t.TempDir(), "diga.db")
	s := storetest.Open(t, "sqlite:"+path)
	key, secret := storetest.Create(t, s, apitype.NewUUID())
	info, err := os.Stat(path + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	signal.Ignore(syscall.SIGXFSZ)
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	full := syscall.Rlimit{Cur: uint64(info.Size()), Max: limit.Max}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &full); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		err := s.Delete(t.Context(), key.ProjectID, key.ID, storetest.NewDeletion())
		if err == nil || errors.Is(err, apikey.ErrNotFound) {
			t.Errorf("delete on a full disk: %v, want another error", err)
		}
		if _, err := s.Authenticate(t.Context(), secret.Hash()); err != nil {
			t.Errorf("authenticate on a full disk: %v", err)
		}
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(t.Context(), key.ProjectID, key.ID, storetest.NewDeletion()); err != nil {
		t.Errorf("delete once there is room: %v", err)
	}
}

// TestSQLiteReplaced takes a file away from under the store. A delete in that file would be lost, so none is acknowledged.
func TestSQLiteReplaced(t *testing.T) {
	for _, suffix := range []string{"", "-wal", "-shm"} {
		t.Run("diga.db"+suffix, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "diga.db")
			s := storetest.Open(t, "sqlite:"+path)
			key, _ := storetest.Create(t, s, apitype.NewUUID())
			if err := s.CheckWritable(t.Context()); err != nil {
				t.Fatal(err)
			}
			path += suffix
			if err := os.Rename(path, path+".old"); err != nil {
				t.Fatal(err)
			}
			if err := s.CheckWritable(t.Context()); err == nil {
				t.Error("the store does not miss its file")
			}
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := s.CheckWritable(t.Context()); err == nil || !strings.Contains(err.Error(), "restart") {
				t.Errorf("check: %v, want what mends it", err)
			}
			if err := s.Delete(t.Context(), key.ProjectID, key.ID, storetest.NewDeletion()); err == nil || !strings.Contains(err.Error(), "restart") {
				t.Errorf("delete: %v, want what mends it", err)
			}
			if err := errors.Join(os.Remove(path), os.Rename(path+".old", path)); err != nil {
				t.Fatal(err)
			}
			if err := s.CheckWritable(t.Context()); err != nil {
				t.Errorf("check with the file back: %v", err)
			}
			if err := s.Delete(t.Context(), key.ProjectID, key.ID, storetest.NewDeletion()); err != nil {
				t.Errorf("delete with the file back: %v", err)
			}
		})
	}
}

// TestSQLiteReadOnly opens files for reading: neither they nor their folder change.
func TestSQLiteReadOnly(t *testing.T) {
	running := storetest.Open(t, sqlite(t))
	key, secret := storetest.Create(t, running, apitype.NewUUID())
	source := strings.TrimPrefix(running.String(), "sqlite:")
	link := func(t *testing.T, path string, suffixes ...string) { // what a process that is killed leaves behind
		for _, suffix := range suffixes {
			content, err := os.ReadFile(source + suffix)
			if err == nil {
				err = os.WriteFile(path+suffix, content, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, prepare := range map[string]func(t *testing.T, path string){
		"backup": func(t *testing.T, path string) {
			if err := running.Backup(t.Context(), path, nil); err != nil {
				t.Fatal(err)
			}
		},
		"stopped": func(t *testing.T, path string) {
			link(t, path, "", "-wal")
			if err := storetest.Open(t, "sqlite:"+path).Close(); err != nil {
				t.Fatal(err)
			}
		},
		"killed": func(t *testing.T, path string) { link(t, path, "", "-wal", "-shm") },
		"running": func(t *testing.T, path string) {
			link(t, path, "", "-wal")
			storetest.Open(t, "sqlite:"+path)
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "diga.db")
			prepare(t, path)
			before := snapshot(filepath.Dir(path))
			reader, err := store.Open(t.Context(), "sqlite:"+path, store.Options{ReadOnly: true})
			if err != nil {
				t.Fatal(err)
			}
			defer reader.Close()
			if got, err := reader.Authenticate(t.Context(), secret.Hash()); err != nil || got.ID != key.ID {
				t.Errorf("authenticate: %v, %v", got, err)
			}
			for _, err := range reader.List(t.Context(), store.Filter{}) {
				if err != nil {
					t.Error(err)
				}
			}
			if err := reader.CheckWritable(t.Context()); err != nil {
				t.Errorf("a server could write, but: %v", err)
			}
			inspection, err := reader.Inspect(t.Context())
			for _, setting := range inspection.Settings {
				if setting.Wrong {
					t.Errorf("%s is %s: wrong", setting.Name, setting.Value)
				}
			}
			if err != nil {
				t.Error(err)
			}
			if err := reader.Create(t.Context(), key, secret.Hash()); err == nil || !strings.Contains(err.Error(), "readonly") {
				t.Errorf("create: %v, want that the database is read-only", err)
			}
			if err := reader.Delete(t.Context(), key.ProjectID, key.ID, storetest.NewDeletion()); err == nil || errors.Is(err, apikey.ErrNotFound) {
				t.Errorf("delete: %v, want another error", err)
			}
			if err := reader.Close(); err != nil {
				t.Error(err)
			}
			after := snapshot(filepath.Dir(path))
			// In -shm readers note what they read.
			delete(before, "diga.db-shm")
			delete(after, "diga.db-shm")
			if !maps.Equal(before, after) {
				t.Errorf("the folder has changed: %v, was %v", slices.Collect(maps.Keys(after)), slices.Collect(maps.Keys(before)))
			}
		})
	}
}

// TestSQLiteReadOnlyUnprivileged opens, as a user who may not write, a file that no server uses.
func TestSQLiteReadOnlyUnprivileged(t *testing.T) {
	for name, modes := range map[string]struct{ folder, file os.FileMode }{
		"file": {0o777, 0o444}, "folder": {0o555, 0o666}, "both": {0o555, 0o444},
	} {
		t.Run(name, func(t *testing.T) {
			folder, err := os.MkdirTemp("", "store") // which other accounts may enter
			if err != nil {
				t.Fatal(err)
			}
			defer os.RemoveAll(folder)
			path := filepath.Join(folder, "diga.db")
			s := storetest.Open(t, "sqlite:"+path)
			storetest.Create(t, s, apitype.NewUUID())
			if err := errors.Join(s.Close(), os.Chmod(path, modes.file), os.Chmod(folder, modes.folder)); err != nil {
				t.Fatal(err)
			}
			defer os.Chmod(folder, 0o700)
			before := snapshot(folder)
			said := openElsewhere(t, "sqlite:"+path, "STORE_TEST_UNPRIVILEGED=1", "STORE_TEST_READ_ONLY=1")
			if !strings.Contains(said, "the file, or its folder, is read-only") {
				t.Errorf("said %q", said)
			}
			if !maps.Equal(before, snapshot(folder)) {
				t.Error("the folder has changed")
			}
		})
	}
}

// TestSQLiteConstraint tries what no statement of the store does: a delete that is half done.
func TestURL(t *testing.T) {
	for _, url := range []string{"", "diga.db", "sqlite", "sqlite:", "sqlite::memory:", "sqlite://diga.db", "sqlite:a\x00b",
		"mysql://diga:s3cret@db/diga", "postgres", "postgres:", "SQLITE:x", " sqlite:x", "s3cret"} {
		err := store.CheckURL(url)
		if !errors.Is(err, store.ErrURL) {
			t.Errorf("%q: error %v, want ErrURL", url, err)
			continue
		}
		if strings.Contains(err.Error(), "s3cret") {
			t.Errorf("the password is printed: %v", err)
		}
		if !strings.Contains(err.Error(), "sqlite:") && !strings.Contains(err.Error(), "postgres://") {
			t.Errorf("error %v names no form of URL", err)
		}
		if _, opened := store.Open(t.Context(), url, store.Options{Migrate: true}); opened == nil || opened.Error() != err.Error() {
			t.Errorf("%q: Open says %v, CheckURL %v", url, opened, err)
		}
	}
}
