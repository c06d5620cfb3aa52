package store

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
)

// ErrNotEmpty means that the target of a copy contains keys.
var ErrNotEmpty = errors.New("the target is not empty")

const (
	copyColumns = `id, project_id, creator_id, name, last_four_digits, permissions, created_at, expires_at, ` +
		`deleted_at, deleted_by, deleted_request_id, deleted_fingerprint, secret_hash`

	// Both engines order ids by their bytes, so that Copy can compare source and target row by row.
	copySQL = `SELECT ` + copyColumns + ` FROM api_keys ORDER BY id`

	// copyBatch is the number of rows that one statement inserts, far below the engines' limits for parameters.
	copyBatch = 500
)

// Copied is the number of keys and tombstones that Copy copied.
type Copied struct{ Keys, Tombstones int }

// Copy copies all keys and tombstones from one store to another, which must be empty. It copies all of them or, on an
// error, none. Before it commits, it compares every row with its original. Copy reads a snapshot of the source: stop the
// servers on it first, because later deletes are not copied. Each row counts twice in progress: copied, and compared.
func Copy(ctx context.Context, from, to *Store, progress Progress) (Copied, error) {
	copied, err := copyKeys(ctx, from, to, progress)
	if err != nil && ctx.Err() != nil {
		err = ctx.Err() // err may be that of a statement in a transaction that database/sql has rolled back since
	}
	if err != nil {
		return Copied{}, fmt.Errorf("copy %s to %s: %w", from, to, err)
	}
	return copied, nil
}

func copyKeys(ctx context.Context, from, to *Store, progress Progress) (copied Copied, err error) {
	for _, s := range []*Store{from, to} {
		version, err := s.SchemaVersion(ctx)
		if err != nil {
			return copied, err
		}
		if version > Head {
			// What a newer program stores would be lost.
			return copied, fmt.Errorf("%w: %s is at version %d, this program knows %d; run a newer diga-api",
				ErrNewerSchema, s, version, Head)
		}
	}
	source, err := from.read.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	if err != nil {
		return copied, err
	}
	defer source.Rollback()
	target, err := to.engine.begin(ctx)
	if err != nil {
		return copied, err
	}
	defer target.Rollback()

	var empty bool
	if err := target.QueryRowContext(ctx, `SELECT NOT EXISTS (SELECT 1 FROM api_keys)`).Scan(&empty); err != nil {
		return copied, err
	}
	if !empty {
		return copied, ErrNotEmpty
	}
	var total int64
	if err := source.QueryRowContext(ctx, `SELECT count(*) FROM api_keys`).Scan(&total); err != nil {
		return copied, err
	}
	copiedRows := func(rows int64) { progress.report(rows, 2*total) }
	if copied, err = insertAll(ctx, source, target, copiedRows); err != nil {
		return copied, err
	}
	comparedRows := func(rows int64) { progress.report(total+rows, 2*total) }
	if err := compareAll(ctx, source, target, comparedRows); err != nil {
		return copied, err
	}
	return copied, target.Commit()
}

func insertAll(ctx context.Context, source, target *sql.Tx, report func(rows int64)) (copied Copied, err error) {
	full, err := target.PrepareContext(ctx, insertSQL(copyBatch))
	if err != nil {
		return copied, err
	}
	defer full.Close()
	var args []any
	var rows int
	err = eachRecord(ctx, source, report, func(r record) error {
		if r.deletedAt.Valid {
			copied.Tombstones++
		} else {
			copied.Keys++
		}
		args = append(args, r.values()...)
		if rows++; rows < copyBatch {
			return nil
		}
		_, err := full.ExecContext(ctx, args...)
		args, rows = args[:0], 0
		return err
	})
	if err == nil && rows > 0 {
		_, err = target.ExecContext(ctx, insertSQL(rows), args...)
	}
	return copied, err
}

// insertSQL returns the statement that inserts that many rows.
func insertSQL(rows int) string {
	columns := strings.Count(copyColumns, ",") + 1
	var query strings.Builder
	query.WriteString(`INSERT INTO api_keys (` + copyColumns + `) VALUES `)
	for i := range rows * columns {
		switch {
		case i == 0:
			query.WriteString("(")
		case i%columns == 0:
			query.WriteString("), (")
		default:
			query.WriteString(", ")
		}
		fmt.Fprintf(&query, "$%d", i+1)
	}
	query.WriteString(")")
	return query.String()
}

// compareAll compares each row of the source with that of the target.
func compareAll(ctx context.Context, source, target *sql.Tx, report func(rows int64)) error {
	originals, err := source.QueryContext(ctx, copySQL)
	if err != nil {
		return err
	}
	defer originals.Close()
	err = eachRecord(ctx, target, report, func(got record) error {
		if !originals.Next() {
			return errors.Join(originals.Err(), fmt.Errorf("the target has key %s, the source does not", got.id))
		}
		want, err := scanRecord(originals)
		if err != nil {
			return err
		}
		if got.row != want.row || !bytes.Equal(got.fingerprint, want.fingerprint) || !bytes.Equal(got.hash, want.hash) {
			return fmt.Errorf("key %s differs in the target", want.id)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if originals.Next() {
		return errors.New("the target lacks keys of the source")
	}
	return originals.Err()
}

// record is a whole row, hash included.
type record struct {
	row
	fingerprint, hash []byte
}

func (r *record) values() []any {
	return []any{r.id, r.projectID, r.creatorID, r.name, r.lastFourDigits, r.permissions, r.createdAt, r.expiresAt,
		r.deletedAt, r.deletedBy, r.deletedRequestID, r.fingerprint, r.hash}
}

func scanRecord(rows *sql.Rows) (r record, err error) {
	err = rows.Scan(append(r.columns(), &r.fingerprint, &r.hash)...)
	return r, err
}

// eachRecord visits all rows in the order of their ids, and reports their number after each batch.
func eachRecord(ctx context.Context, tx *sql.Tx, report func(rows int64), visit func(record) error) error {
	rows, err := tx.QueryContext(ctx, copySQL)
	if err != nil {
		return err
	}
	defer rows.Close()
	for visited := int64(1); rows.Next(); visited++ {
		r, err := scanRecord(rows)
		if err != nil {
			return err
		}
		if err := visit(r); err != nil {
			return err
		}
		if visited%copyBatch == 0 {
			report(visited)
		}
	}
	return rows.Err()
}
