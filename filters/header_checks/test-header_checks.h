/* What the tests of the filter "header_checks" share. */
#pragma once

#include <mailweir/test.h>

/* Writes a table into a folder of the test's own. Returns its path; caller frees. */
char *write_table (const char *text);
/* A harness whose filter has `options`, in which each "%s" is `path`. Caller frees. */
WeirTest *make_filter (const char *options, const char *path);

/* The tests in test-walk.c. */
void test_walk (void);
void test_walk_lines (void);
void test_walk_limits (void);
void test_find_body (void);
/* The tests in test-table.c. */
void test_table (void);
void test_table_errors (void);
void test_table_all_errors (void);
void test_table_limits (void);
void test_backtracking (void);
