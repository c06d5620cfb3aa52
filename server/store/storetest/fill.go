package storetest

import "testing"

// Fill adds n live keys of random projects to the store at url, which must be migrated, in one statement of the engine.
// Their secrets are unknown.
func Fill(t testing.TB, url string, n int) {
	t.Helper()
	const columns = `INSERT INTO api_keys (id, project_id, creator_id, name, last_four_digits, created_at, secret_hash) `
	query := columns + `SELECT gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'filled', 'abcd', i, ` +
		`sha256(gen_random_uuid()::text::bytea) FROM generate_series(1, $1) AS i`
	if engineOf(url) == "sqlite" {
		const id = `lower(hex(randomblob(4))) || '-' || lower(hex(randomblob(2))) || '-4' || ` +
			`substr(lower(hex(randomblob(2))), 2) || '-8' || substr(lower(hex(randomblob(2))), 2) || '-' || ` +
			`lower(hex(randomblob(6)))`
		query = columns + `WITH RECURSIVE count (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM count WHERE i < $1) ` +
			`SELECT ` + id + `, ` + id + `, ` + id + `, 'filled', 'abcd', i, randomblob(32) FROM count`
	}
	db := Connect(t, url)
	Exec(t, db, query, n)
	if engineOf(url) == "postgres" {
		Exec(t, db, `VACUUM ANALYZE api_keys`)
	}
}

// FillTombstones is Fill with tombstones, of keys deleted in 1970. The store has no live key afterwards.
func FillTombstones(t testing.TB, url string, n int) {
	t.Helper()
	Fill(t, url, n)
	const query = `UPDATE api_keys SET deleted_at = created_at, deleted_by = id, deleted_request_id = 'filled', ` +
		`deleted_fingerprint = substr(secret_hash, 1, 8), secret_hash = NULL WHERE deleted_at IS NULL`
	Exec(t, Connect(t, url), query)
}
