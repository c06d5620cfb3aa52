package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	sqlite3 "modernc.org/sqlite/lib"

	"github.com/diga-io/diga-api/gen/apitype"
	"github.com/diga-io/diga-api/server/apikey"
)

// The SQL of what operators do at the database.
const (
	getSQL = listSQL + ` WHERE id = $1`

	// One statement replaces the hash, so that the old secret is rejected from the moment the new one is accepted. The old
	// digits tell whether the key was rotated meanwhile, but for one case in 65536.
	rotateSQL = `UPDATE api_keys SET secret_hash = $1, last_four_digits = $2 WHERE id = $3 AND last_four_digits = $4 ` +
		`AND deleted_at IS NULL`

	// A purge walks through the ids in batches of purgeBatch rows, tombstones or not, so that each statement is short
	// whatever it finds.
	countPurgeSQL = `SELECT count(*) FROM api_keys WHERE deleted_at < $1`
	batchEndSQL   = `SELECT id FROM api_keys WHERE id >= $1 ORDER BY id LIMIT 1 OFFSET $2`
	purgeSQL      = `DELETE FROM api_keys WHERE id >= $1 AND id <= $2 AND deleted_at < $3`
)

// ErrRotated means that a key has another secret than when Get returned it.
var ErrRotated = errors.New("the key was rotated by another command meanwhile, nothing was changed")

// Rotate replaces the secret of key, which Get returned, by the one with that hash and last four digits. The error is
// apikey.ErrNotFound if the key is not live any more, and ErrRotated if it has been rotated since.
func (s *Store) Rotate(ctx context.Context, key apikey.Key, hash apikey.Hash, lastFour string) error {
	rows, err := s.exec(ctx, rotateSQL, hash[:], lastFour, key.ID.String(), key.LastFourDigits)
	if err != nil {
		return s.fail("rotate key", err)
	}
	if rows > 0 {
		return nil
	}
	found, err := s.Get(ctx, key.ID)
	switch {
	case err != nil:
		return err
	case found.Deleted != nil:
		return apikey.ErrNotFound
	}
	return ErrRotated
}

// Get returns the key id, deleted or not, or apikey.ErrNotFound.
func (s *Store) Get(ctx context.Context, id apitype.UUID) (apikey.Key, error) {
	var found row
	err := s.read.QueryRowContext(ctx, getSQL, id.String()).Scan(found.columns()...)
	switch {
	case err == nil:
		return found.key()
	case errors.Is(err, sql.ErrNoRows):
		return apikey.Key{}, apikey.ErrNotFound
	}
	return apikey.Key{}, s.fail("get key", err)
}

// purgeBatch is the number of rows that a transaction of Purge looks at. On SQLite a transaction holds up the deletes of
// servers for milliseconds.
const purgeBatch = 200

// purgeTimeout limits a batch of Purge, which does not end with the context.
const purgeTimeout = 10 * time.Second

// CountTombstones returns the number of tombstones of keys that were deleted before that time.
func (s *Store) CountTombstones(ctx context.Context, before time.Time) (count int64, err error) {
	if err := s.read.QueryRowContext(ctx, countPurgeSQL, before.UnixMicro()).Scan(&count); err != nil {
		return 0, s.fail("count tombstones", err)
	}
	return count, nil
}

// Purge removes the tombstones of keys that were deleted before that time, and returns their number. Each batch is a
// transaction of its own, so servers go on meanwhile, and what is purged stays purged if Purge ends early. Its number is
// returned together with the error. A batch that has begun is finished, so that the number is exact for the audit.
func (s *Store) Purge(ctx context.Context, before time.Time, progress Progress) (purged int64, err error) {
	total, err := s.CountTombstones(ctx, before)
	if err != nil {
		return 0, err
	}
	first := apitype.UUID{}.String()
	for end := ""; ; first = end {
		err := s.read.QueryRowContext(ctx, batchEndSQL, first, purgeBatch-1).Scan(&end)
		if errors.Is(err, sql.ErrNoRows) {
			end, err = largestID, nil
		}
		if err != nil {
			return purged, s.fail("purge tombstones", err)
		}
		began := time.Now()
		rows, err := s.purgeRange(context.WithoutCancel(ctx), first, end, before)
		if err != nil {
			return purged, s.fail("purge tombstones", err)
		}
		purged += rows
		progress.report(purged, total)
		if end == largestID {
			return purged, nil
		}
		// SQLite does not queue its writers: servers try again and again. Leave them as much time as the batch took.
		select {
		case <-time.After(time.Since(began)):
		case <-ctx.Done():
		}
	}
}

func (s *Store) purgeRange(ctx context.Context, first, last string, before time.Time) (rows int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, purgeTimeout)
	defer cancel()
	for {
		rows, err = s.exec(ctx, purgeSQL, first, last, before.UnixMicro())
		// While servers write, the lock of SQLite may go to them for longer than the busy timeout.
		if !sqliteCode(err, sqlite3.SQLITE_BUSY) || ctx.Err() != nil {
			return rows, err
		}
	}
}

// largestID is not less than any id.
const largestID = "ffffffff-ffff-ffff-ffff-ffffffffffff"

// Progress receives how much of a long operation is done. It is called from time to time, by one goroutine at a time. It may be
// nil.
type Progress func(done, total int64)

func (p Progress) report(done, total int64) {
	if p != nil {
		p(done, total)
	}
}
