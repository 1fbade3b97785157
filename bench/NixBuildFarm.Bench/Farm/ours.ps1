# Builds with NixBuildFarm what Contender.cs asks for, and tells how it went. A session that has
# built before: what .NET compiles at first use is not of the build.
param([string] $Module, [string] $WarmUp, [string] $Expression, [string] $Mark, [ValidateSet('with', 'without')] [string] $Local)
$ErrorActionPreference = 'Stop'
Import-Module $Module
$builders = foreach ($builder in Get-NixBuilder) { if ($Local -eq 'with' -or -not $builder.IsLocal) { $builder } }
$null = $builders | Invoke-NixDistributedBuild -Path $WarmUp

$process = [Diagnostics.Process]::GetCurrentProcess()
$processor = $process.TotalProcessorTime
[IO.File]::WriteAllText($Mark, '')
$watch = [Diagnostics.Stopwatch]::StartNew()
$results = $builders | Invoke-NixDistributedBuild -Path $Expression -ErrorAction Continue
$seconds = $watch.Elapsed.TotalSeconds
$process.Refresh()
function Write-Figure { [Console]::Out.WriteLine([string]::Join(' ', [object[]] $args)) }
Write-Figure RUN $seconds ($process.TotalProcessorTime - $processor).TotalSeconds $process.PeakWorkingSet64
foreach ($result in $results) {
    Write-Figure BUILD $result.Success $result.Builder ($result.Started.UtcDateTime.Ticks / 1e7) $result.Duration.TotalSeconds
}
