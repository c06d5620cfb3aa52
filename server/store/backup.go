package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Backup writes a consistent copy of the embedded store to a new file, readable for its owner only, while the store keeps
// serving. The file gets its name once it is complete and on disk. Progress is in bytes. On PostgreSQL Backup fails: pg_dump is
// the tool there.
func (s *Store) Backup(ctx context.Context, file string, progress Progress) error {
	if err := s.engine.backup(ctx, file, progress); err != nil {
		return fmt.Errorf("back up %s: %w", s, err)
	}
	return nil
}

// backup implements engine.
func (e *sqliteEngine) backup(ctx context.Context, file string, progress Progress) error {
	switch _, err := os.Lstat(file); {
	case err == nil:
		return fmt.Errorf("%s: %w", file, fs.ErrExist)
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	// The mode is 0600, and VACUUM INTO accepts an empty file.
	partial, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".partial-")
	if err != nil {
		return err
	}
	defer func() { _ = errors.Join(partial.Close(), os.Remove(partial.Name())) }()

	// A connection of its own: the readers reject the statement, and the writer must stay free.
	db, err := connectSQLite(e.path, "rw", nil)
	if err != nil {
		return err
	}
	defer db.Close()
	watched := watchSize(ctx, db, partial, progress)
	_, err = db.ExecContext(ctx, `VACUUM INTO $1`, partial.Name())
	watched()
	if err != nil {
		return err
	}
	if err := partial.Sync(); err != nil {
		return err
	}
	if err := os.Rename(partial.Name(), file); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(file))
}

// watchSize reports the size of the copy while it grows, because VACUUM INTO does not report anything itself, until the
// returned function is called.
func watchSize(ctx context.Context, db *sql.DB, copied *os.File, progress Progress) (stop func()) {
	if progress == nil {
		return func() {}
	}
	const sizeSQL = `SELECT (page_count - freelist_count) * page_size FROM pragma_page_count, pragma_freelist_count, pragma_page_size`
	var total int64
	if err := db.QueryRowContext(ctx, sizeSQL).Scan(&total); err != nil {
		return func() {} // VACUUM INTO will fail as well
	}
	stopped := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		tick := time.NewTicker(watchInterval)
		defer tick.Stop()
		for {
			if info, err := copied.Stat(); err == nil {
				progress.report(min(info.Size(), total), total)
			}
			select {
			case <-tick.C:
			case <-stopped:
				return
			}
		}
	})
	return func() {
		close(stopped)
		watching.Wait()
	}
}

// watchInterval is the time between two reports of the size of a backup.
const watchInterval = 100 * time.Millisecond

// syncFolder flushes the folder, so that the names of new files are on disk.
func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
