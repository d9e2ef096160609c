/* What the tests of the filter "attachments" share. */
#pragma once

#include <mailweir/test.h>

#define DENY "deny = [\"exe\", \".scr\", \"tar.gz\"]\n"
#define TYPES "deny-types = [\"application/x-dosexec\", \"application/*portable-executable\"]\n"

/* Runs the filter with these options on bytes, or on text with LF line ends. Caller frees. */
WeirTestResult *run_bytes (const char *options, const char *message, gsize length);
WeirTestResult *run (const char *options, const char *message);
/* Fails the test unless it was refused with 550 5.7.1. */
void assert_refused (const WeirTestResult *result, const char *what);
/* Fails the test unless it passes unedited. */
void check_harmless (WeirTest *harness, const char *message);

/* The tests in test-names.c. */
void test_names (void);
void test_fine_names (void);
/* The tests in test-inside.c. */
void test_signed (void);
void test_ber (void);
void test_digest (void);
void test_inline (void);
void test_disputed (void);
void test_collisions (void);
