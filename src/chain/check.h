/* The rules that a record must obey: verdicts by hook, declared edits, clean bytes, good addresses.
 */
#pragma once

#include "chain/chain.h"

/* `size`: of the bytes that the filter saw. NULL: the record is good; else what is wrong with it (a
 * literal). */
const gchar *chain_check_record (const ChainFilter *filter, IpcHook hook, guint64 size,
                                 const IpcRecord *record);
