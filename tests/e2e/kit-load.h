/* A load of SMTP sessions in threads of their own, for tests that break something meanwhile.
 *
 * A message is sent once, whatever becomes of it: what happened to each is kept, so that the
 * destination can be held against it. */
#pragma once

#include "kit.h"

typedef struct
{
  guint port;
  guint sessions;       /* threads, each with one connection at a time */
  guint per_connection; /* messages before QUIT and a new connection; 0: no limit */
  const gchar *from;    /* NULL: good@client.test */
  const gchar *to;      /* NULL: b@up.test */
  gsize body;           /* octets of text, beside the lines that name the message */
} KitLoadPlan;

typedef struct
{
  guint accepted;    /* 250 after the final dot */
  guint deferred;    /* 4xx at any command of a transaction */
  guint rejected;    /* 5xx */
  guint lost;        /* the connection ended within a transaction, without a reply */
  guint inside;      /* 421 within a transaction */
  guint farewells;   /* 421 where it belongs: to MAIL, EHLO or as a greeting */
  guint cut;         /* the connection ended outside a transaction, without a 421 */
  guint unconnected; /* connect() failed, or nobody greeted */
} KitLoadCounts;

typedef struct _KitLoad KitLoad;

/* The plan is copied, its strings are borrowed. */
KitLoad *kit_load_start (const KitLoadPlan *plan);
/* Each session finishes its message, if anybody answers. To be called once. */
void kit_load_stop (KitLoad *load);
void kit_load_free (KitLoad *load);
KitLoadCounts kit_load_counts (KitLoad *load);
/* Until this many more messages were accepted than when it was called. */
void kit_load_wait (KitLoad *load, guint more);
/* After kit_load_stop(): every accepted message is once in the folder or those right below it, and
 * none is there twice. */
void kit_load_check (KitLoad *load, const gchar *folder);
/* Prints them for whoever reads the test's output, and fails unless everything was accepted. */
void kit_load_assert_all_accepted (KitLoad *load);
void kit_load_tell (KitLoad *load, const gchar *when);
