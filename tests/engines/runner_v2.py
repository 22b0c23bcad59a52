"""Model runner V2 without a GPU: its own books and its own preparation, with kernels by hand.

Everything on the host is vLLM's own code: states, staged block tables, the order of rows, the input
batch, the choice of a CUDA graph. What its kernels would do on a device is done here to tensors on
the CPU, as far as a later step looks at it. No model runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any
from unittest import mock

from pagewalk.bed.scheduler import SchedulerBed

MODULE = "vllm.v1.worker.gpu"
CAPTURED = [1, 2, 4, 8]


class HostRunner:
    """The parts of V2's `execute_model` that come before the model; `tables` are the engine's."""

    def __init__(self, scheduler: Any, *, graphs: bool = True) -> None:
        import torch
        from vllm.v1.worker.gpu.block_table import BlockTables
        from vllm.v1.worker.gpu.input_batch import InputBuffers
        from vllm.v1.worker.gpu.model_runner import GPUModelRunner
        from vllm.v1.worker.gpu.states import RequestState

        # Requests that are finished are only let go with the next batch.
        most, device = 2 * scheduler.max_num_running_reqs, torch.device("cpu")
        tokens = scheduler.max_num_scheduled_tokens
        specs = [one.kv_cache_spec for one in scheduler.kv_cache_config.kv_cache_groups]
        longest = scheduler.max_model_len
        runner = self.runner = object.__new__(GPUModelRunner)
        books = dict.fromkeys(("add_request", "remove_request", "apply_staged_writes"), _ignore)
        vars(runner).update(
            device=device,
            max_num_reqs=most,
            parallel_config=SimpleNamespace(rank=0),
            model_config=SimpleNamespace(rswa_window=None),
            decode_query_len=1 + scheduler.num_spec_tokens,
            req_states=RequestState(
                max_num_reqs=most,
                max_model_len=longest + 8,
                max_num_batched_tokens=tokens,
                num_speculative_steps=scheduler.num_spec_tokens,
                vocab_size=256,
                device=device,
            ),
            block_tables=BlockTables(
                block_sizes=[spec.block_size for spec in specs],
                max_num_reqs=most,
                max_num_batched_tokens=tokens,
                max_num_blocks_per_group=[longest // spec.block_size + 4 for spec in specs],
                device=device,
            ),
            input_buffers=InputBuffers(most, tokens, device),
            model_state=SimpleNamespace(**books, num_new_sampled_tokens_per_step=1),
            lora_state=SimpleNamespace(**books),
            kv_block_zeroer=SimpleNamespace(zero_block_ids=_ignore),
            kv_cache_config=scheduler.kv_cache_config,
            kv_caches=[],
            is_last_pp_rank=False,
            use_pp=False,
            cudagraph_manager=_graph_manager(most, 1 + scheduler.num_spec_tokens, graphs),
            **dict.fromkeys(
                ("pooling_runner", "encoder_cache", "adaptive_verification", "sampler",
                 "pcp_manager", "pp_handler", "fast_prefill", "prompt_logprobs_worker")
            ),
        )  # fmt: skip

    def execute(self, output: Any) -> Any:
        """What `execute_model` does with a step, up to the input batch; None without tokens."""
        from vllm.v1.worker.gpu import model_runner

        runner = self.runner
        runner.finish_requests(output)
        runner.add_requests(output)
        runner.update_requests(output)
        runner.block_tables.apply_staged_writes()
        tokens = output.total_num_scheduled_tokens
        if not tokens:
            return None
        batch, uniform = runner.gather_batch_req_state(output, dummy_run=False)
        longest = None if batch.has_prefill else max(output.num_scheduled_tokens.values())
        graph, _ = model_runner.dispatch_cg_and_sync_dp(
            runner.cudagraph_manager, len(batch.req_ids), tokens, uniform, 1, 0, longest
        )
        return runner.prepare_inputs(output, batch, graph, 0)

    def device_row(self, request: str) -> list[list[int]]:
        """What the device's block tables hold of a request, group by group."""
        tables, states = self.runner.block_tables, self.runner.req_states
        state = states.req_id_to_index[request]
        return [
            table.gpu[state, : int(tables.num_blocks.np[group, state])].tolist()
            for group, table in enumerate(tables.block_tables)
        ]


def _graph_manager(most: int, query_len: int, graphs: bool) -> Any:
    from vllm.config.compilation import CUDAGraphMode
    from vllm.v1.worker.gpu.cudagraph_utils import ModelCudaGraphManager

    manager = object.__new__(ModelCudaGraphManager)
    mode = CUDAGraphMode.FULL_AND_PIECEWISE if graphs else CUDAGraphMode.NONE
    sizes = SimpleNamespace(
        cudagraph_capture_sizes=CAPTURED, max_cudagraph_capture_size=max(CAPTURED)
    )
    vars(manager).update(
        vllm_config=SimpleNamespace(
            speculative_config=None, cache_config=SimpleNamespace(use_kda_recoverssm=False)
        ),
        compilation_config=sizes,
        cudagraph_mode=mode,
        max_num_reqs=most,
        decode_query_len=query_len,
        varlen_decode=False,
        ubatch_runner=None,
        lora_capture_cases=[0],
        _lora_dispatch_map={},
        _max_lora_case=0,
        _candidates={},
        _capture_descs={},
        _graphs_captured=True,
    )
    manager._init_candidates()
    return manager


def _ignore(*args: Any, **kwargs: Any) -> None:
    return None


class _Kernel:
    """Stands for `_apply_write_kernel`, on the CPU."""

    def __getitem__(self, grid: Any) -> Any:
        return self._run

    @staticmethod
    def _run(
        out: Any, stride: Any, rows: Any, starts: Any, contents: Any, ends: Any, groups: Any,
        **how: Any,
    ) -> None:  # fmt: skip
        begins = [0, *ends.tolist()]
        for place, (row, start) in enumerate(zip(rows.tolist(), starts.tolist(), strict=True)):
            piece = contents[begins[place] : begins[place + 1]]
            flat = out if out.dim() == 1 else out[row]
            first = row if out.dim() == 1 else start
            flat[first : first + len(piece)] = piece


@contextmanager
def by_hand() -> Iterator[None]:
    """V2's host code finds no GPU, and its kernels are these."""
    import torch

    def each(writer: Any, tensors: Any, pointers: Any, strides: Any) -> None:
        for one in tensors:
            one.apply_write()

    def indices(*args: Any) -> Any:
        return torch.zeros(1, dtype=torch.int64)

    with (
        mock.patch(f"{MODULE}.buffer_utils.is_uva_available", return_value=False),
        mock.patch(f"{MODULE}.buffer_utils._apply_write_kernel", _Kernel()),
        mock.patch(f"{MODULE}.buffer_utils.FusedStagedWriter.apply", each),
        mock.patch(f"{MODULE}.model_runner.prepare_prefill_inputs", _ignore),
        mock.patch(f"{MODULE}.model_runner.prepare_pos_seq_lens", _ignore),
        mock.patch(f"{MODULE}.model_runner.combine_sampled_and_draft_tokens", indices),
        mock.patch(f"{MODULE}.model_runner.expand_idx_mapping", return_value=(None, None)),
        mock.patch(f"{MODULE}.model_runner.copy_kv_cache_blocks_inplace", _ignore),
    ):
        yield


class BedV2(SchedulerBed):
    """A real scheduler that schedules for runner V2, and V2's host code that prepares each step.

    `truth` has, for each step, what the device's tables then held of each request in the batch.
    """

    def __init__(self, *args: Any, graphs: bool = True, **shape: Any) -> None:
        super().__init__(*args, **shape)
        self.scheduler.use_v2_model_runner = True
        self.host = HostRunner(self.scheduler, graphs=graphs)
        self.truth: dict[int, dict[str, list[list[int]]]] = {}

    def _schedule(self) -> Any:
        scheduled = super()._schedule()
        batch = self.host.execute(scheduled)
        if batch is not None:
            rows = {request: self.host.device_row(request) for request in batch.req_ids}
            self.truth[self.scheduler.current_step] = rows
        return scheduled
