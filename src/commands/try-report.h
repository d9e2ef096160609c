/* What `mailweir try` says: lines for people as things happen, or one JSON object at the end. */
#pragma once

#include "chain/chain.h"

typedef struct _TryReport TryReport;

TryReport *try_report_new (gboolean json);
/* Prints the JSON object, if it is one, with the exit status in it. */
void try_report_finish (TryReport *report, gint status);

/* Remarks: for people a line, in JSON one of "remarks". */
void try_report_remark (TryReport *report, const gchar *format, ...) G_GNUC_PRINTF (2, 3);
/* A filter's answer; `record` NULL: it failed, and `why` says how. */
void try_report_record (TryReport *report, IpcHook hook, const ChainFilter *filter,
                        const IpcRecord *record, const gchar *why);
/* The envelope's changes, the signatures of the message and which of them the edits break, and the
 * edits as a diff. `outcome` is one that passes. */
void try_report_edits (TryReport *report, const ChainOutcome *outcome, GBytes *message);
/* How it ends: "accepted", "refused" and so on; `text` may be NULL. */
void try_report_outcome (TryReport *report, const gchar *word, const gchar *text);
