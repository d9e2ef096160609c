/* A scanner that is broken on purpose: it hears a request, says something that no real one says,
 * and closes or stalls. A thread of the test on a local socket. */
#pragma once

#include <glib.h>

typedef struct
{
  const char *until; /* hears the request until these octets have come; NULL: says it at once */
  gsize until_length;
  const char *answer; /* NULL: nothing */
  gsize answer_length;
  gboolean stall; /* says no more, and waits for the other side to close */
} FakeStep;

typedef struct _Fake Fake;

/* One step a connection, in this order; the last one again for all further. `path` is where it
 * listens. Steps are borrowed. */
Fake *fake_new (const char *path, const FakeStep *steps, guint count);
/* How many connections were served so far. */
guint fake_served (Fake *fake);
/* Waits until so many stalled connections were closed by the other side. */
void fake_wait_cancelled (Fake *fake, guint count);
void fake_free (Fake *fake);
