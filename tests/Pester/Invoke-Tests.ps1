<#
.SYNOPSIS
    Runs the tests of this folder on the farm: tests/Farm/with-farm.sh -- pwsh -File tests/Pester/Invoke-Tests.ps1
.DESCRIPTION
    Cases/ are inputs that failed once: public bug reports and configurations. The rest is by feature.
#>
[CmdletBinding(PositionalBinding = $false)]
param(
    # A file or folder; all tests without it.
    [string] $Path = $PSScriptRoot,
    # Files that are left out, with wildcards.
    [string[]] $Exclude = @(),
    # Names of the tests that are run, with wildcards, as Describe and It together say them.
    [string[]] $Name = @(),
    # Gets the counts in lines as TAP has them: # pass N, # fail N, # skipped N.
    [string] $Report
)
Set-StrictMode -Version 3
$ErrorActionPreference = 'Stop'
if (-not (Test-Path /run/farm/hosts)) {
    throw 'These tests need a farm. Run: tests/Farm/with-farm.sh -- pwsh -File tests/Pester/Invoke-Tests.ps1'
}

Import-Module Pester
$configuration = New-PesterConfiguration
$configuration.Run.Path = $Path
$configuration.Run.ExcludePath = $Exclude
$configuration.Run.PassThru = $true
$configuration.Filter.FullName = $Name
$configuration.Output.Verbosity = if ($Name) { 'Detailed' } else { 'Normal' }
$result = Invoke-Pester -Configuration $configuration
$failed = $result.FailedCount + $result.FailedBlocksCount + $result.FailedContainersCount
if ($Report) { [IO.File]::WriteAllText($Report, "# pass $($result.PassedCount)`n# fail $failed`n# skipped $($result.SkippedCount)`n") }
exit [int] ($failed -gt 0 -or $result.PassedCount -eq 0)
