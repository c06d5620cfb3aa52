package main

import "slices"

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

const time = "sec/op"

const bodies = "go test -run '^$' -bench Bodies ./contract"

const requests = "go -C e2e test -tags proof -run '^$' -bench Requests -short -benchtime 8192x ./program"

var sections = []section{
	{
		name:    "deletes",
		title:   "Deletes per second, against 404s per second = 1",
		command: requests,
		rows: []row{
			{what: "SQLite", top: value{"Requests/SQLite/keys=1000", "delete/s"}, bottom: value{"Requests/SQLite/keys=1000", "404/s"}, goal: goal{atLeast: 0.6}},
			{what: "PostgreSQL", top: value{"Requests/PostgreSQL/keys=1000", "delete/s"}, bottom: value{"Requests/PostgreSQL/keys=1000", "404/s"}},
		},
	},
	{
		name:    "processor",
		title:   "Processor time for a request, against net/http and the same store = 1",
		command: requests,
		rows: []row{
			{what: "SQLite, delete", top: value{"Requests/SQLite/keys=1000", "delete-cpu-us"}, bottom: value{"Requests/SQLite/keys=1000", "bare-delete-cpu-us"}, goal: goal{atMost: 1.15}},
			{what: "SQLite, 404", top: value{"Requests/SQLite/keys=1000", "404-cpu-us"}, bottom: value{"Requests/SQLite/keys=1000", "bare-404-cpu-us"}, goal: goal{atMost: 1.15}},
			{what: "PostgreSQL, delete", top: value{"Requests/PostgreSQL/keys=1000", "delete-cpu-us"}, bottom: value{"Requests/PostgreSQL/keys=1000", "bare-delete-cpu-us"}, goal: goal{atMost: 1.15}},
			{what: "PostgreSQL, 404", top: value{"Requests/PostgreSQL/keys=1000", "404-cpu-us"}, bottom: value{"Requests/PostgreSQL/keys=1000", "bare-404-cpu-us"}, goal: goal{atMost: 1.15}},
		},
	},
	{
		name:    "pool",
		title:   "Deletes per second on PostgreSQL, against the default of 16 connections = 1",
		command: "go -C e2e test -tags proof -run '^$' -bench Pool -short -benchtime 4096x ./program",
		rows: []row{
			{what: "4 connections", top: value{"Pool/connections=4/keys=1000", "delete/s"}, bottom: value{"Pool/connections=16/keys=1000", "delete/s"}},
			{what: "8 connections", top: value{"Pool/connections=8/keys=1000", "delete/s"}, bottom: value{"Pool/connections=16/keys=1000", "delete/s"}},
			{what: "32 connections", top: value{"Pool/connections=32/keys=1000", "delete/s"}, bottom: value{"Pool/connections=16/keys=1000", "delete/s"}},
			{what: "64 connections", top: value{"Pool/connections=64/keys=1000", "delete/s"}, bottom: value{"Pool/connections=16/keys=1000", "delete/s"}},
		},
	},
	{
		name:    "validation",
		title:   "Time to validate, against encoding the same value with encoding/json = 1",
		command: bodies,
		rows:    bodyRows("validate", "encode", "", goal{atMost: 0.5}, goal{}),
	},
	{
		name:    "faults",
		title:   "Time to validate a body with faults, against the same body without = 1",
		command: bodies,
		rows: slices.Concat(
			bodyRows("one_fault", "validate", ", a fault at the end", goal{atMost: 10}, goal{atMost: 10}),
			bodyRows("faults", "validate", ", faults everywhere", goal{atMost: 10}, goal{atMost: 10}),
		),
	},
	{
		name:    "stock",
		title:   "Time of stock kin-openapi to validate, against contract = 1",
		command: bodies,
		rows:    bodyRows("stock", "validate", "", goal{atLeast: 20}, goal{atLeast: 20}),
	},
	{
		name:    "served",
		title:   "Time to serve with the contract, against the same handler without it = 1",
		command: bodies,
		rows:    bodyRows("serve", "serve_without_contract", "", goal{}, goal{}),
	},
}

// bodyRows returns a row for each body that BenchmarkBodies validates, described with a suffix. The first body is the one
// that a server sends most, and can have a goal of its own.
func bodyRows(top, bottom, suffix string, first, others goal) []row {
	measured := []struct{ what, name string }{
		{"a list of 100 records", "list_of_100"},
		{"a list of 10,000 records", "list_of_10000"},
		{"a tree of 1,023 nodes", "tree_of_1023"},
		{"100 values of a union of five", "union_of_5,_100_times"},
		{"a request body of 100 KB", "request_of_100_KB"},
	}
	var rows []row
	for _, body := range measured {
		name := "Bodies/" + body.name + "/"
		rows = append(rows, row{what: body.what + suffix, top: value{name + top, time}, bottom: value{name + bottom, time}, goal: others})
	}
	rows[0].goal = first
	return rows
}
