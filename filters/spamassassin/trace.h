/* What stands above a message when a mail server hands it to spamd. */
#pragma once

#include <mailweir/filter.h>

/* Return-Path and Received, so that spamd knows who handed the message to us; the gateway writes
 * its own only after the filters. Caller frees. */
char *trace_fields (WeirContext *context);
