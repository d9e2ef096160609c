/* A milter of the tests' own: a thread that hears packets and answers each by a table, or breaks in
 * the middle. It keeps all that it heard. */
#pragma once

#include <glib.h>

typedef struct
{
  char command;       /* 0 ends the table */
  guint nth;          /* of this command, from 1, over all connections; 0: any */
  const char *answer; /* octets of one or several packets; NULL: none */
  gsize length;
  gboolean closes; /* behind it */
} FakeRow;

typedef struct _Fake Fake;

/* Listens at `path`. The first row that fits is used; else what can be answered gets "continue",
 * and 'O' the terms of version 6 with everything sent and answered. `rows` is borrowed and may be
 * NULL.
 */
Fake *fake_new (const char *path, const FakeRow *rows);
/* Waits until the commands so far, one letter each, a '|' ahead of each connection and a '.' behind
 * its end, are these; fails the test if they never are. Macros are left out. */
void fake_expect (Fake *fake, const char *commands);
/* The data of the last packet with this command; 'D' for macros. NULL: there was none. */
GBytes *fake_last (Fake *fake, char command);
/* Ends the connection that is open. */
void fake_drop (Fake *fake);
void fake_free (Fake *fake);
