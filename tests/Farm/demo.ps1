# The main job, as a user types it, on the farm that with-farm.sh brought up. Ends with an error if anything is not as it should be.
param([string]$Module = '/opt/NixBuildFarm/NixBuildFarm.psd1')
$ErrorActionPreference = 'Stop'
Import-Module $Module
$example = [IO.Path]::Combine($PSScriptRoot, 'example.nix')

# Shows a command as it would be typed, then what it prints; keeps what it writes in $global:written.
function Show([string]$command) {
    Out-Default -InputObject "`nPS> $command"
    $global:written = & ([scriptblock]::Create($command))
    $global:written | Out-Default
}

function Assert([bool]$condition, [string]$what) {
    if (-not $condition) { throw "The demo failed: $what" }
    Out-Default -InputObject "  ok: $what"
}

function Get-BuilderCount($results) {
    $counts = [ordered]@{}
    foreach ($result in $results) { $counts[$result.Builder] = 1 + [int]$counts[$result.Builder] }
    $counts
}

Show 'Get-NixBuilder'
Assert ($written.Count -eq 4) 'four builders: the local machine and three others'

Show 'Get-NixBuilder | Test-NixBuilder'
foreach ($test in $written) { Assert $test.Success "$($test.Name) is ready to build" }

Show "Get-NixBuilder | Where-Object Arch -eq x86_64 | Invoke-NixDistributedBuild -Path $example -OutLink /tmp/result"
$counts = Get-BuilderCount $written
foreach ($builder in $counts.Keys) { Out-Default -InputObject "  $builder built $($counts[$builder])" }
Assert ($written.Count -ge 30) "$($written.Count) derivations were built"
Assert ($counts.Count -eq 4) 'all four machines took part'
$requested = $written | Where-Object IsRequested
foreach ($path in $requested.Outputs.Values) {
    nix-store --check-validity $path
    Assert ($LASTEXITCODE -eq 0) "$path is valid in the local store"
}
Assert ([IO.Path]::Exists('/tmp/result')) '/tmp/result links to it'

Show "Get-NixBuilder aquamarine, ruby | Invoke-NixDistributedBuild -Path $example -Argument @{ version = '1.1' }"
$elsewhere = $written | Where-Object Builder -notin 'aquamarine', 'ruby'
Assert ($written.Count -ge 30) "$($written.Count) derivations were built"
Assert ($null -eq $elsewhere) 'nothing was built anywhere else'

# Nix's own command, which knows nothing of this module. The derivations are new, so that whoever builds them does it now.
$before = @(Get-NixBuild).Count
$release = nix-store --query --outputs (nix-instantiate $example -A release --argstr version 1.2 2> $null)
Assert (-not [IO.Path]::Exists($release)) 'version 1.2 has not been built yet'
$nix = 'nix --extra-experimental-features nix-command build'
Show "Get-NixBuilder kana, ruby | Use-NixBuildFarm { $nix -f $example release --argstr version 1.2 -o /tmp/result-of-nix }"
Assert ($LASTEXITCODE -eq 0) 'nix build succeeded'
Assert ([IO.File]::ResolveLinkTarget('/tmp/result-of-nix', $true).FullName -eq $release) '/tmp/result-of-nix links to its output'
Assert (@(Get-NixBuild).Count -eq $before + 1) 'it was one run of the farm'
$built = Get-NixBuild -Last 1 -Result
$counts = Get-BuilderCount $built
foreach ($builder in $counts.Keys) { Out-Default -InputObject "  $builder built $($counts[$builder])" }
Assert ($built.Count -ge 30) "$($built.Count) derivations were built"
Assert ($null -eq ($built | Where-Object Builder -notin 'kana', 'ruby')) 'nothing was built anywhere else'
# Not by our own word alone: the builder's store has what it is said to have built, and no other builder's has it.
$output = @($built[0].Outputs.Values)[0]
$null = farm exec $built[0].Builder nix-store --check-validity $output
Assert ($LASTEXITCODE -eq 0) "$($built[0].Builder) has $output in its store"
$null = farm exec aquamarine nix-store --check-validity $output 2> $null
Assert ($LASTEXITCODE -ne 0) 'aquamarine, which was not chosen, does not have it'
