/* The words of the brace grammar, each with its place. Private to the parser. */
#pragma once

#include "config/tree.h"

typedef enum
{
  SCAN_END,
  SCAN_STRING, /* "…", without its quotes, escapes undone */
  SCAN_BARE,   /* a name, a number, a word */
  SCAN_MARK    /* one of = { } [ ] , */
} ScanKind;

typedef struct
{
  const gchar *at, *end; /* the text that is left; borrowed */
  ConfigPlace place;     /* of `at` */
  ConfigErrors *errors;

  ScanKind kind; /* the word that was read last */
  ConfigPlace start;
  gchar *text; /* owned until the next word; NULL at the end */
} Scan;

/* `text` must outlive the scan, `file` all places. What is not UTF-8, or behind a NUL, is reported
 * and left out. */
void scan_init (Scan *scan, const gchar *file, GBytes *text, ConfigErrors *errors);
void scan_finish (Scan *scan);
/* Reads the next word into `kind`, `start` and `text`; reports and skips what is none. */
void scan_next (Scan *scan);
gboolean scan_is_mark (const Scan *scan, gchar mark);
