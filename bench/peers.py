"""The programs that vmoe is compared with, and the model as each of them likes it best.

`bench/compare` starts this file with the interpreter that has the peers installed, once a measurement:

    peers.py list                     which engines this interpreter can run, as JSON
    peers.py export --batch-size 32   writes the exchange formats that ONNX Runtime and OpenVINO read
    peers.py run --engine ort ...     one measurement, one line of JSON

The model is whatever `vmoe info NAME --json` describes, read from --model. Inputs are random and lie in memory; a
training step is forward, cross entropy, backward and AdamW. Time is that of the median step after a warm-up.
"""
import argparse
import importlib.metadata
import json
import os
import queue
import statistics
import sys
import tempfile
import time

# What each engine needs. A name may end in "+tc": the same with tcmalloc preloaded, which the caller sees to.
ENGINES = {
    "eager": ("torch",),
    "compile": ("torch",),               # torch.compile, max-autotune
    "bf16": ("torch",),                  # eager under autocast to bf16
    "ddp": ("torch",),                   # training by one-thread processes, each with its part of the batch
    "ort": ("torch", "onnx", "onnxscript", "onnxruntime"),
    "ort-int8": ("torch", "onnx", "onnxscript", "onnxruntime"),  # weights and, as the model runs, activations in int8
    "openvino": ("torch", "openvino"),             # fp32, one stream
    "openvino-2s": ("torch", "openvino"),          # fp32, two streams of half the threads, batches in flight
    "openvino-default": ("torch", "openvino"),     # whatever precision it prefers on this machine
}


def missing_packages(engine):
    """The packages that `engine` needs and this interpreter lacks."""
    absent = []
    for package in ENGINES[engine]:
        try:
            importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            absent.append(package)
    return absent


# --- The model --------------------------------------------------------------------------------------------------------

def build_model(described):
    """A pre-norm vision transformer of the sizes that vmoe printed, with as many parameters as vmoe counts."""
    import torch
    from torch import nn

    vit = described["config"]["vit"]
    if described["config"]["moe"]["router"] != "none" or vit["tokenizer"] != "patch":
        raise SystemExit("only dense models with patches are written here for the peers")
    width, side = vit["dim"], vit["patch_size"]
    grid = vit["image_size"] // side
    pooled_by_token = vit["pool"] == "cls"

    class SelfAttention(nn.Module):
        def __init__(self):
            super().__init__()
            self.inward = nn.Linear(width, 3 * width)
            self.outward = nn.Linear(width, width)

        def forward(self, tokens):
            heads = self.inward(tokens).unflatten(-1, (3, vit["heads"], -1)).permute(2, 0, 3, 1, 4)
            mixed = nn.functional.scaled_dot_product_attention(heads[0], heads[1], heads[2])
            return self.outward(mixed.transpose(1, 2).flatten(2))

    def residual(inner):
        return nn.Sequential(nn.LayerNorm(width, eps=vit["norm_eps"]), inner)

    def perceptron():
        return nn.Sequential(nn.Linear(width, vit["mlp_dim"]), nn.GELU(), nn.Linear(vit["mlp_dim"], width))

    class Transformer(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Linear(vit["channels"] * side * side, width)
            self.places = nn.Parameter(0.02 * torch.randn(1, grid * grid + pooled_by_token, width))
            self.first = nn.Parameter(torch.zeros(1, 1, width)) if pooled_by_token else None
            self.steps = nn.ModuleList()
            for _ in range(vit["depth"]):
                self.steps += [residual(SelfAttention()), residual(perceptron())]
            self.last_norm = nn.LayerNorm(width, eps=vit["norm_eps"])
            self.classify = nn.Linear(width, vit["classes"])

        def forward(self, images):
            squares = images.unflatten(3, (grid, side)).unflatten(2, (grid, side))  # [B, C, rows, p, columns, p]
            tokens = self.embed(squares.permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2))
            if pooled_by_token:
                tokens = torch.cat((self.first.expand(tokens.shape[0], -1, -1), tokens), 1)
            tokens = tokens + self.places
            for step in self.steps:
                tokens = tokens + step(tokens)
            tokens = self.last_norm(tokens)
            return self.classify(tokens[:, 0] if pooled_by_token else tokens.mean(1))

    torch.manual_seed(0)
    model = Transformer()
    count = sum(p.numel() for p in model.parameters())
    if count != described["params"]:
        raise SystemExit(f"this model has {count} parameters, vmoe's has {described['params']}")
    return model


def image_shape(described, batch):
    vit = described["config"]["vit"]
    return (batch, vit["channels"], vit["image_size"], vit["image_size"])


# --- Measuring --------------------------------------------------------------------------------------------------------

def peak_mib():
    """Most memory that this process has held so far, MiB."""
    with open("/proc/self/status", encoding="ascii") as status:
        for line in status:
            if line.startswith("VmHWM"):
                return int(line.split()[1]) / 1024
    raise SystemExit("this system does not say what memory a process has used")


def step_times(step, seconds, warm_up, least):
    """Seconds of each call of `step`: as many as fit, at least `least`, after `warm_up` calls."""
    for _ in range(warm_up):
        step()
    taken = []
    stop = time.perf_counter() + seconds
    while len(taken) < least or time.perf_counter() < stop:
        begin = time.perf_counter()
        step()
        taken.append(time.perf_counter() - begin)
    return taken


def figures(taken, images, mib, precision):
    """What a run reports: images a second at the median step, times in ms, memory."""
    taken = sorted(taken)
    middle = statistics.median(taken)
    return {"images_per_second": images / middle, "p50_ms": 1e3 * middle,
            "p95_ms": 1e3 * taken[int(0.95 * (len(taken) - 1))], "steps": len(taken), "peak_mib": mib,
            "precision": precision}


# --- PyTorch ----------------------------------------------------------------------------------------------------------

def torch_precision(engine):
    return "bf16" if engine == "bf16" else "fp32"


def training_step(described, batch, engine, wrap=None):
    import torch
    model = build_model(described)
    images = torch.randn(image_shape(described, batch))
    labels = torch.arange(batch) % described["config"]["vit"]["classes"]
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.05, fused=True)
    if wrap:
        model = wrap(model)
    if engine == "compile":
        model = torch.compile(model, mode="max-autotune")
    half = torch.autocast("cpu", torch.bfloat16, enabled=engine == "bf16")

    def step():
        with half:
            loss = torch.nn.functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


def train(job, described):
    import torch
    if job.engine == "ddp":
        return train_in_ranks(job, described)
    torch.set_num_threads(job.threads)
    step = training_step(described, job.batch_size, job.engine)
    taken = step_times(step, job.seconds, warm_up=2, least=3)
    return figures(taken, job.batch_size, peak_mib(), torch_precision(job.engine))


def rank_main(rank, job, described, meeting, results):
    """One of job.threads processes. The first one decides after its warm-up how many steps all of them run."""
    import torch
    import torch.distributed as dist
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method="file://" + meeting, rank=rank, world_size=job.threads)

    def share_gradients(model):
        return torch.nn.parallel.DistributedDataParallel(model, gradient_as_bucket_view=True)

    step = training_step(described, job.batch_size // job.threads, job.engine, share_gradients)
    warm = step_times(step, 0, warm_up=1, least=2)
    count = torch.tensor([max(3, round(job.seconds / warm[-1]))])
    dist.broadcast(count, 0)
    results.put((step_times(step, 0, warm_up=0, least=int(count)), peak_mib()))
    dist.barrier()
    dist.destroy_process_group()


def train_in_ranks(job, described):
    import torch.multiprocessing as processes
    if job.threads < 2 or job.batch_size % job.threads:
        raise SystemExit("data-parallel ranks need two threads or more, and a batch that they divide")
    context = processes.get_context("spawn")
    results = context.Queue()
    with tempfile.TemporaryDirectory() as folder:
        ranks = [context.Process(target=rank_main, args=(i, job, described, folder + "/meeting", results))
                 for i in range(job.threads)]
        for rank in ranks:
            rank.start()
        reports = []
        while len(reports) < len(ranks):
            try:
                reports.append(results.get(timeout=1))
            except queue.Empty:
                if any(rank.exitcode for rank in ranks):  # the others would wait for it for ever
                    for rank in ranks:
                        rank.kill()
                    raise SystemExit("a rank failed") from None
        for rank in ranks:
            rank.join()
    slowest = [max(times) for times in zip(*(times for times, _ in reports))]
    return figures(slowest, job.batch_size, sum(mib for _, mib in reports), "fp32")


def torch_inference(job, described):
    import torch
    torch.set_num_threads(job.threads)
    model = build_model(described).eval()
    images = torch.randn(image_shape(described, job.batch_size))
    if job.engine == "compile":
        import torch._inductor.config
        torch._inductor.config.freezing = True  # weights are constants, packed once
        model = torch.compile(model, mode="max-autotune")
    half = torch.autocast("cpu", torch.bfloat16, enabled=job.engine == "bf16")

    def step():
        with torch.no_grad(), half:
            model(images)

    return step, job.batch_size, torch_precision(job.engine)


# --- ONNX Runtime and OpenVINO ----------------------------------------------------------------------------------------

def exported(job):
    """Path of an exported model without its ending."""
    return os.path.join(job.exports, f"{job.name}-{job.batch_size}")


def export(job, described):
    """Writes every format whose package is here, unless it is there already; whole or not at all."""
    import torch
    model = build_model(described).eval()
    images = torch.randn(image_shape(described, job.batch_size))
    path = exported(job)
    os.makedirs(job.exports, exist_ok=True)
    if not missing_packages("ort") and not os.path.exists(path + "-int8.onnx"):
        from onnxruntime.quantization import quantize_dynamic
        torch.onnx.export(model, (images,), path + ".onnx", dynamo=True, external_data=False)
        quantize_dynamic(path + ".onnx", path + ".part")
        os.replace(path + ".part", path + "-int8.onnx")
    if not missing_packages("openvino") and not os.path.exists(path + ".xml"):
        import openvino
        converted = openvino.convert_model(model, example_input=images, input=[images.shape])
        with tempfile.TemporaryDirectory(dir=job.exports) as folder:
            openvino.save_model(converted, folder + "/m.xml", compress_to_fp16=False)
            os.replace(folder + "/m.bin", path + ".bin")
            os.replace(folder + "/m.xml", path + ".xml")


def random_images(described, batch):
    import numpy
    return numpy.random.default_rng(0).standard_normal(image_shape(described, batch), numpy.float32)


def onnx_inference(job, described):
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = job.threads
    options.inter_op_num_threads = 1
    int8 = job.engine == "ort-int8"
    session = onnxruntime.InferenceSession(exported(job) + ("-int8.onnx" if int8 else ".onnx"), options,
                                           providers=["CPUExecutionProvider"])
    feed = {session.get_inputs()[0].name: random_images(described, job.batch_size)}
    return lambda: session.run(None, feed), job.batch_size, "int8" if int8 else "fp32"


def openvino_inference(job, described):
    import openvino
    streams = 2 if job.engine == "openvino-2s" else 1
    wanted = {"INFERENCE_NUM_THREADS": job.threads, "NUM_STREAMS": streams,
              "PERFORMANCE_HINT": "THROUGHPUT" if streams > 1 else "LATENCY"}
    if job.engine != "openvino-default":
        wanted["INFERENCE_PRECISION_HINT"] = "f32"
    model = openvino.Core().compile_model(exported(job) + ".xml", "CPU", wanted)
    chosen = model.get_property("INFERENCE_PRECISION_HINT").to_string()
    precision = {"f32": "fp32", "f16": "fp16"}.get(chosen, chosen)
    images = random_images(described, job.batch_size)
    if streams == 1:
        request = model.create_infer_request()
        return (lambda: request.infer([images], share_inputs=True, share_outputs=True)), job.batch_size, precision
    in_flight = openvino.AsyncInferQueue(model, streams)
    batches = 4 * streams  # a step; so many that a stream rarely waits for the other

    def step():
        for _ in range(batches):
            in_flight.start_async([images], share_inputs=True)
        in_flight.wait_all()

    return step, batches * job.batch_size, precision


def infer(job, described):
    kind = job.engine.split("-")[0]
    prepare = {"ort": onnx_inference, "openvino": openvino_inference}.get(kind, torch_inference)
    step, images, precision = prepare(job, described)
    warm_up, least = (20, 100) if job.batch_size == 1 else (2, 5)
    return figures(step_times(step, job.seconds, warm_up, least), images, peak_mib(), precision)


# --- Command line -----------------------------------------------------------------------------------------------------

def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["list", "export", "run"])
    parser.add_argument("--engine", default="eager", choices=list(ENGINES))
    parser.add_argument("--task", default="train", choices=["train", "infer"])
    parser.add_argument("--name", default="model", help="of the model, in the names of exported files")
    parser.add_argument("--model", help="JSON of `vmoe info NAME --json`")
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--exports", default=".", help="folder of the exported models")
    job = parser.parse_args()
    if job.command == "list":
        packages = sorted({p for needed in ENGINES.values() for p in needed})
        versions = {p: importlib.metadata.version(p) for p in packages if p not in
                    {absent for e in ENGINES for absent in missing_packages(e)}}
        print(json.dumps({"missing": {e: missing_packages(e) for e in ENGINES}, "versions": versions}))
        return
    described = json.loads(job.model)
    if job.command == "export":
        export(job, described)
    else:
        print(json.dumps((train if job.task == "train" else infer)(job, described)))
    sys.stdout.flush()


if __name__ == "__main__":
    main()
