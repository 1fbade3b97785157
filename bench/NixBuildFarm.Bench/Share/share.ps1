# Builds with NixBuildFarm what ShareBench.cs asks for, on the named builders, and tells how it went.
param([string] $Module, [string] $Derivation, [string] $Builders, [int] $Cores, [ValidateSet('Always', 'Never')] [string] $Share)
$ErrorActionPreference = 'Stop'
Import-Module $Module
$farm = Get-NixBuilder -Name $Builders.Split(',') | Set-NixBuilderPolicy -Cores $Cores -Scope Session -PassThru
$watch = [Diagnostics.Stopwatch]::StartNew()
$results = $farm | Invoke-NixDistributedBuild -DerivationPath $Derivation -Share $Share -ErrorAction Continue
$seconds = $watch.Elapsed.TotalSeconds
function Write-Figure { [Console]::Out.WriteLine([string]::Join(' ', [object[]] $args)) }
foreach ($result in $results) {
    $compiles = $result.SharedCompiles
    $counts = [int] $compiles.Count, [int] $compiles.Shared, [int] $compiles.Reused
    Write-Figure BUILD $result.Success $seconds $result.Duration.TotalSeconds @counts $result.Outputs['out']
    if ($result.Error) { Write-Figure ERROR $result.Error; $result.LogTail | ForEach-Object { Write-Figure LOG $_ } }
}
