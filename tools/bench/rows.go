package main

// section is a group of rows whose ratios can be compared, drawn as one picture.
type section struct {
	name    string // of the picture
	title   string
	command string // measures the rows
	rows    []row
}

// row is the ratio of two measured values.
type row struct {
	what        string
	top, bottom value
	goal        goal

	ratios []float64 // of the runs, sorted
}

// value is what a benchmark measures, in one of its units.
type value struct{ benchmark, unit string }

// goal is a limit for a ratio. Zero means none.
type goal struct{ atMost, atLeast float64 }

const (
	rate = "HTTP/s" // requests per second, as BenchmarkStore reports them
	time = "sec/op"
)

var sections = []section{
	{
		name:    "deletes",
		title:   "Deletes per second, against 404s per second = 1",
		command: "go -C e2e test -tags proof -run '^$' -bench Store -short ./program",
		rows: []row{
			{what: "SQLite", top: value{"Store/SQLite/1000/delete", rate}, bottom: value{"Store/SQLite/1000/404", rate}, goal: goal{atLeast: 0.6}},
		},
	},
	{
		name:    "validation",
		title:   "Time to validate, against encoding the same value with encoding/json = 1",
		command: "go test -run '^$' -bench List ./contract",
		rows: []row{
			{what: "a list of 100 records", top: value{"List/accept", time}, bottom: value{"List/encode", time}, goal: goal{atMost: 0.5}},
		},
	},
}
