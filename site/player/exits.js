// The kinds of exits -> sentences, word for word those of pagewalk.trace.exit_kinds (a test compares).

const SENTENCES = {
  token_budget: "The token budget of this step is used up.",
  input_budget: "The room for input tokens and draft slots of this step is used up.",
  max_num_seqs: "As many requests as may run at once are running.",
  queue_empty: "No request is waiting.",
  preempted_this_step: "A request was preempted in this step, so none is admitted in it.",
  paused: "The scheduler is paused.",
  blocked_status: "It waits for something outside the scheduler: its grammar, its remote KV or more input.",
  stale_output: "Output from before its preemption is still in flight.",
  max_loras: "As many LoRA adapters as may be active in one step are active, its own is not.",
  connector_undecided: "The KV connector does not know yet how many of its tokens it has.",
  ec_transfer: "Its encoder output is still being transferred.",
  dp_throttle: "Prefills are put off in this step to keep data parallel ranks in balance.",
  chunked_prefill_off: "Its prompt does not fit into the rest of the token budget, and chunking is off.",
  spec_padding: "The rest of the budget has no room for its padded draft tokens.",
  mamba_align: "The rest of the budget does not reach the next aligned Mamba state.",
  encoder_or_lookahead_zero: "The encoder budget or the prefill lookahead leaves no token of it to compute.",
  async_kv_load: "Its KV is being loaded in the background; it computes nothing meanwhile.",
  max_tokens_in_flight: "The tokens that are in flight already reach its max_tokens.",
  pp_not_eligible: "Its last token is still in the pipeline; its next turn has not come.",
  nothing_to_schedule: "It has no token to compute now: all are in flight, or encoder or alignment allow none.",
  no_blocks: "It needs more KV blocks than are free.",
  full_sequence_blocks: "Its whole sequence needs more KV blocks than are free, and admission asks for all.",
  pending_block_frees: "It waits for blocks that the KV connector is about to free.",
  victim_not_freeable: "The blocks of the request to preempt cannot be freed at once.",
  self_preempted: "It was itself the next request to preempt.",
  preempted: "It was preempted in this step: another request got its KV blocks.",
  behind_head: "The request ahead of it ended the pass; it was not looked at.",
  unknown: "The engine left here for a reason that this version of pagewalk cannot name.",
};

/** Why a request that was looked at got no tokens. */
export function exitSentence(kind) {
  return SENTENCES[kind] || SENTENCES.unknown;
}
