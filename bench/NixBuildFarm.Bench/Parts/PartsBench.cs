using System.Globalization;
using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Loggers;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;

namespace NixBuildFarm.Bench.Parts;

/// <summary>What the parts of a run cost by themselves, measured by BenchmarkDotNet.</summary>
internal static class PartsBench
{
    public static int Print(string? derivations)
    {
        DerivationBenchmarks.Folder = derivations;
        var config = ManualConfig.CreateEmpty()
            .AddJob(Job.ShortRun.WithToolchain(new InProcessEmitToolchain(TimeSpan.FromMinutes(5), logOutput: false)))
            .AddColumnProvider(DefaultColumnProviders.Instance)
            .AddLogger(NullLogger.Instance)
            .WithArtifactsPath(Path.Combine(AppContext.BaseDirectory, "artifacts"));
        var cases = new[] { typeof(DerivationBenchmarks), typeof(NarBenchmarks), typeof(ProtocolBenchmarks) }
            .SelectMany(type => BenchmarkRunner.Run(type, config).Reports)
            .Select(
                report =>
                    (
                        Name: report.BenchmarkCase.Descriptor.WorkloadMethodDisplayInfo.Trim('\''),
                        Bytes: BytesOf(report.BenchmarkCase.Descriptor.WorkloadMethod.Name),
                        report.ResultStatistics))
            .ToArray();
        Console.WriteLine("| | each | deviation | rate |");
        Console.WriteLine("|---|---|---|---|");
        foreach (var (name, bytes, statistics) in cases)
        {
            if (statistics is null)
            {
                Console.Error.WriteLine($"{name}: could not be measured.");
                return 1;
            }
            var rate = bytes > 0 ? string.Create(CultureInfo.InvariantCulture, $"{bytes / statistics.Mean:f2} GB/s") : "";
            Console.WriteLine(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"| {name} | {statistics.Mean / 1000:f1} µs | {statistics.StandardDeviation / 1000:f1} µs | {rate} |"));
        }
        return 0;
    }

    private static long BytesOf(string method) => method switch
    {
        nameof(NarBenchmarks.PassAsync) or nameof(NarBenchmarks.CopyAsync) => NarBenchmarks.Size,
        nameof(ProtocolBenchmarks.SendAsync) => ProtocolBenchmarks.Size,
        _ => 0,
    };
}
