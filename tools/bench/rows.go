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
		rows: []row{
			{what: "a list of 100 records", top: value{"Bodies/list_of_100/validate", time}, bottom: value{"Bodies/list_of_100/encode", time}, goal: goal{atMost: 0.5}},
			{what: "a list of 10,000 records", top: value{"Bodies/list_of_10000/validate", time}, bottom: value{"Bodies/list_of_10000/encode", time}},
			{what: "a tree of 1,023 nodes", top: value{"Bodies/tree_of_1023/validate", time}, bottom: value{"Bodies/tree_of_1023/encode", time}},
			{what: "100 values of a union of five", top: value{"Bodies/union_of_5,_100_times/validate", time}, bottom: value{"Bodies/union_of_5,_100_times/encode", time}},
			{what: "a request body of 100 KB", top: value{"Bodies/request_of_100_KB/validate", time}, bottom: value{"Bodies/request_of_100_KB/encode", time}},
		},
	},
	{
		name:    "stock",
		title:   "Time of stock kin-openapi to validate, against contract = 1",
		command: bodies,
		rows: []row{
			{what: "a list of 100 records", top: value{"Bodies/list_of_100/stock", time}, bottom: value{"Bodies/list_of_100/validate", time}, goal: goal{atLeast: 20}},
			{what: "a list of 10,000 records", top: value{"Bodies/list_of_10000/stock", time}, bottom: value{"Bodies/list_of_10000/validate", time}},
			{what: "a tree of 1,023 nodes", top: value{"Bodies/tree_of_1023/stock", time}, bottom: value{"Bodies/tree_of_1023/validate", time}},
			{what: "100 values of a union of five", top: value{"Bodies/union_of_5,_100_times/stock", time}, bottom: value{"Bodies/union_of_5,_100_times/validate", time}},
			{what: "a request body of 100 KB", top: value{"Bodies/request_of_100_KB/stock", time}, bottom: value{"Bodies/request_of_100_KB/validate", time}},
		},
	},
	{
		name:    "served",
		title:   "Time to serve with the contract, against the same handler without it = 1",
		command: bodies,
		rows: []row{
			{what: "a list of 100 records", top: value{"Bodies/list_of_100/serve", time}, bottom: value{"Bodies/list_of_100/serve_without_contract", time}},
			{what: "a list of 10,000 records", top: value{"Bodies/list_of_10000/serve", time}, bottom: value{"Bodies/list_of_10000/serve_without_contract", time}},
			{what: "a tree of 1,023 nodes", top: value{"Bodies/tree_of_1023/serve", time}, bottom: value{"Bodies/tree_of_1023/serve_without_contract", time}},
			{what: "100 values of a union of five", top: value{"Bodies/union_of_5,_100_times/serve", time}, bottom: value{"Bodies/union_of_5,_100_times/serve_without_contract", time}},
			{what: "a request body of 100 KB", top: value{"Bodies/request_of_100_KB/serve", time}, bottom: value{"Bodies/request_of_100_KB/serve_without_contract", time}},
		},
	},
}
