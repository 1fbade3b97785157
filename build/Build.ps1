# Build, Docs and Clean: what is made in out/, and the help pages that are made from it.

function Invoke-Build {
    Invoke-Checked dotnet 'build', "$root/NixBuildFarm.sln", '--configuration', 'Release', '--nologo', '--verbosity', 'minimal'
}

function Invoke-Docs {
    Invoke-Build
    $code = Invoke-PowerShell '-File', "$root/tools/Update-HelpPage.ps1", "$out/NixBuildFarm", "$root/docs/en-US"
    if ($code -ne 0) { throw "tools/Update-HelpPage.ps1 failed with exit code $code." }
}

function Invoke-Clean {
    if ([IO.Directory]::Exists($out)) { [IO.Directory]::Delete($out, $true) }
}
