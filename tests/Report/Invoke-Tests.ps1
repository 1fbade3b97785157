<#
.SYNOPSIS
    Looks at reports in a browser without a window: pwsh -File tests/Report/Invoke-Tests.ps1 -Out out -Report out/test-results/Report.tap
#>
[CmdletBinding(PositionalBinding = $false)]
param(
    # The folder that ./build.sh makes, with the module in it.
    [Parameter(Mandatory)] [string] $Out,
    # Gets the results as TAP.
    [Parameter(Mandatory)] [string] $Report
)
Set-StrictMode -Version 3
$ErrorActionPreference = 'Stop'

# npm writes beside its package file: it works on a copy.
$folder = "$Out/report-tests"
$null = [IO.Directory]::CreateDirectory($folder)
foreach ($file in [IO.Directory]::GetFiles($PSScriptRoot)) { [IO.File]::Copy($file, "$folder/$([IO.Path]::GetFileName($file))", $true) }
$env:PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD = '1'
npm ci --prefix $folder --no-audit --no-fund --loglevel error
if ($LASTEXITCODE -ne 0) { exit $LASTEXITCODE }

$env:REPORT_SAMPLES = "$Out/report-samples"
$env:CHROMIUM = (Get-Command chromium -CommandType Application)[0].Source
& "$PSScriptRoot/samples.ps1" "$Out/NixBuildFarm" $env:REPORT_SAMPLES
$reporters = '--test-reporter=spec', '--test-reporter-destination=stdout', '--test-reporter=tap', "--test-reporter-destination=$Report"
node --test @reporters "$folder/report.test.mjs"
exit $LASTEXITCODE
