package store

// SQL returns the statements of both engines that use the tables of the keys, with every kind of Filter.
func SQL(filters ...Filter) []string {
	statements := []string{
		createSQL, authenticateSQL, deletedSQL, deleteSQL, getSQL, rotateSQL, countPurgeSQL, batchEndSQL, purgeSQL, copySQL, insertSQL(1),
	}
	for _, filter := range filters {
		query, _ := filter.query()
		statements = append(statements, query)
	}
	return statements
}
