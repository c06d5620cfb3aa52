package main

import (
	"fmt"
	"io"
	"strings"
)

// tableSample is the number of rows that decide on the widths of a table. Later rows are shortened to fit, so that a long
// list needs little memory.
const tableSample = 1000

// table prints rows for people, within the width of their terminal.
type table struct {
	out     io.Writer
	width   int
	colour  bool
	columns []column
	sample  [][]cell // the first rows, until the layout is decided
	widths  []int    // of the columns, 0 for one that is left out; nil until the layout is decided
}

type column struct {
	title string
	least int // the width to which cells may be shortened; 0: cells are never shortened
	rank  int // if the terminal is too narrow, the column with the highest rank is shortened, or left out, first; 0: never left out
}

// cell is a text and its colour, which may be "".
type cell struct{ text, style string }

// add adds a row.
func (t *table) add(row []cell) {
	if t.widths != nil {
		t.print(row)
		return
	}
	if t.sample = append(t.sample, row); len(t.sample) == tableSample {
		t.flush()
	}
}

// flush decides on the layout, unless that was done, and prints the title and the rows so far.
func (t *table) flush() {
	if t.widths != nil {
		return
	}
	t.decide()
	titles := make([]cell, len(t.columns))
	for i, column := range t.columns {
		titles[i] = cell{column.title, bold}
	}
	t.print(titles)
	for _, row := range t.sample {
		t.print(row)
	}
	t.sample = nil
}

const columnGap = 2

// decide computes the widths. It shortens columns, and leaves some out if that does not suffice.
func (t *table) decide() {
	natural := make([]int, len(t.columns))
	for i, column := range t.columns {
		natural[i] = widthOf(column.title)
		for _, row := range t.sample {
			natural[i] = max(natural[i], widthOf(row[i].text))
		}
	}
	leftOut := make([]bool, len(t.columns))
	for {
		t.widths = make([]int, len(t.columns))
		total := -columnGap
		for i, width := range natural {
			if !leftOut[i] {
				t.widths[i] = width
				total += width + columnGap
			}
		}
		for ; total > t.width; total-- {
			i := t.toShorten()
			if i < 0 {
				break
			}
			t.widths[i]--
		}
		last := -1
		for i, column := range t.columns {
			if column.rank > 0 && !leftOut[i] && (last < 0 || column.rank > t.columns[last].rank) {
				last = i
			}
		}
		if total <= t.width || last < 0 {
			return
		}
		leftOut[last] = true
	}
}

// toShorten returns the column to shorten by one, or -1: as with leaving out, the one with the highest rank.
func (t *table) toShorten() int {
	highest := -1
	for i, column := range t.columns {
		if column.least > 0 && t.widths[i] > column.least && (highest < 0 || column.rank > t.columns[highest].rank) {
			highest = i
		}
	}
	return highest
}

// leftOut returns the titles of the columns that are not printed.
func (t *table) leftOut() (titles []string) {
	for i, width := range t.widths {
		if width == 0 {
			titles = append(titles, t.columns[i].title)
		}
	}
	return titles
}

func (t *table) print(row []cell) {
	var line strings.Builder
	gap := 0
	for i, cell := range row {
		if t.widths[i] == 0 {
			continue
		}
		line.WriteString(strings.Repeat(" ", gap))
		text := shorten(cell.text, t.widths[i])
		if t.colour && cell.style != "" {
			line.WriteString(cell.style + text + plain)
		} else {
			line.WriteString(text)
		}
		gap = t.widths[i] - widthOf(text) + columnGap
	}
	fmt.Fprintln(t.out, strings.TrimRight(line.String(), " "))
}
