/* What the tests of archives share: archives made in memory by libarchive's own writer, octet by
 * octet where no honest writer would, and messages around them. */
#pragma once

#include <glib.h>

#include <mailweir/test.h>

typedef enum
{
  MAKE_ZIP,
  MAKE_ZIP_STORED,
  MAKE_ZIP_ENCRYPTED,
  MAKE_7ZIP,
  MAKE_TAR,
  MAKE_TAR_GZ,
  MAKE_TAR_BZ2,
  MAKE_TAR_XZ,
  MAKE_TAR_ZSTD,
  MAKE_ISO,
  MAKE_CPIO,
  MAKE_AR,
  MAKE_XAR,
  MAKE_GZ,
  N_MAKES
} Make;

typedef struct
{
  const char *name;
  const void *data;
  gsize length;
} File;

/* Caller frees. */
GByteArray *make_archive (Make make, const File *files, gsize count);
/* An archive of one file. */
GByteArray *make_one (Make make, const char *name, const void *data, gsize length);
/* A message with one attachment in base64. Caller frees. */
char *make_message (const char *name, const GByteArray *data);
/* Runs the filter with these options on such a message; caller frees. */
WeirTestResult *run_attachment (const char *options, const char *name, const GByteArray *data);
/* Fails the test unless it was refused for a reason with this in it. */
void assert_reason (const WeirTestResult *result, const char *reason, const char *what);
void assert_passes (const WeirTestResult *result, const char *what);

/* The tests in test-archives.c, test-bombs.c and test-office.c. */
void test_readme (void);
void test_archive_formats (void);
void test_archive_names (void);
void test_archive_nested (void);
void test_archive_encrypted (void);
void test_archive_broken (void);
void test_archive_zip_headers (void);
void test_archive_hidden_twice (void);
void test_archive_disguised (void);
void test_archive_foreign_names (void);
void test_archive_name_in_note (void);
void test_archive_allow (void);
void test_limit_depth (void);
void test_limit_members (void);
void test_limit_size (void);
void test_limit_ratio (void);
void test_limit_streamed (void);
void test_limit_nested (void);
void test_limit_time (void);
void test_bomb_nested (void);
void test_many_members (void);
void test_macros (void);
void test_ole2 (void);
void test_tnef (void);
void test_mismatch (void);
void test_ambiguous (void);
void test_allow (void);
void test_sizes (void);
void test_actions (void);
void test_many_findings (void);
void test_source (void);
