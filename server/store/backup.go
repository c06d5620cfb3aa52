package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Backup writes a consistent copy of the embedded store to a new file, readable for its owner only, while the store keeps
// serving. The file gets its name once it is complete and on disk. On PostgreSQL Backup fails: pg_dump is the tool there.
func (s *Store) Backup(ctx context.Context, file string) error {
	if err := s.engine.backup(ctx, file); err != nil {
		return fmt.Errorf("back up %s: %w", s, err)
	}
	return nil
}

// backup implements engine.
func (e *sqliteEngine) backup(ctx context.Context, file string) error {
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
	if _, err := db.ExecContext(ctx, `VACUUM INTO $1`, partial.Name()); err != nil {
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

// syncFolder flushes the folder, so that the names of new files are on disk.
func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
