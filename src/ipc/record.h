/* What one filter did: its verdict, edits, state and notes. A worker sends one record a filter,
 * each before the next filter starts, so that a death names its culprit. The gateway decodes and
 * checks: a bad record is a crash of the filter. */
#pragma once

#include "base/reply.h"
#include "ipc/request.h"

typedef enum
{
  IPC_VERDICT_PASS, /* the numbers of WeirVerdict */
  IPC_VERDICT_SKIP,
  IPC_VERDICT_REPLY,
  IPC_VERDICT_CLOSE,
  IPC_VERDICT_DISCARD,
  IPC_VERDICT_QUARANTINE
} IpcVerdict;

typedef struct
{
  guint32 serial;
  guint32 filter; /* index in the chain */
  IpcVerdict verdict;
  BaseReply *reply; /* REPLY, CLOSE: not NULL */
  gchar *reason;    /* QUARANTINE; or why the record's filter failed, with `failed` */
  gboolean failed;  /* the filter could not do its work (an error, an undeclared edit): on-failure
                       applies */
  gboolean limit;   /* REPLY: not the filter's word but the host's, the message is over a limit;
                       shadow does not soften it */
  gboolean last;    /* no more records follow: the chain is through, or this verdict ended it */
  MessageEdits *edits;     /* in terms of the bytes that this filter saw; NULL: none */
  BasePath *sender;        /* NULL: unchanged */
  GPtrArray *recipients;   /* of BasePath: the whole new list; NULL: unchanged */
  GBytes *state;           /* NULL: unchanged */
  gboolean descriptor_set; /* then `descriptor` replaces the former one; -1: none */
  gint descriptor;
  GPtrArray *notes;     /* of IpcNote, those that were set; NULL: none */
  guint32 microseconds; /* spent in the filter */
  guint32 served;       /* `last`: microseconds spent on the whole request */
} IpcRecord;

IpcRecord *ipc_record_new (void);
void
ipc_record_free (IpcRecord *record); /* closes the descriptor unless it was stolen (set to -1) */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (IpcRecord, ipc_record_free)
void ipc_record_encode (const IpcRecord *record, BaseBuffer *out, GArray *descriptors);
IpcRecord *ipc_record_decode (const guint8 *bytes, gsize length, GArray *descriptors,
                              GError **error);
