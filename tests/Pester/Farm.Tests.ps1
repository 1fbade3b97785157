# A farm that serves, as its user has it: sessions of pwsh that begin and end, and Nix commands between them.
BeforeAll {
    Import-Module "$PSScriptRoot/FarmSession.psm1" -Force

    # Sessions of one user: what one starts or builds, the next finds.
    function New-User {
        $folder = "$([IO.Path]::GetTempPath())$(New-DerivationName user)"
        $null = [IO.Directory]::CreateDirectory("$folder/run", [IO.UnixFileMode] 'UserRead, UserWrite, UserExecute')
        & cp -a $HOME/.config $folder/config    # which lets builders take builds at any load
        @{ XDG_STATE_HOME = "$folder/state"; XDG_CONFIG_HOME = "$folder/config"; XDG_RUNTIME_DIR = "$folder/run" }
    }
}

Describe 'Use-NixBuildFarm' {
    It 'writes what its block writes, as it comes, and keeps the exit code' {
        $file = New-NixFile @{ one = 'read -r host < /proc/sys/kernel/hostname; echo built on $host > $out' }
        $run = Invoke-Pwsh ("Get-NixBuilder kana | Use-NixBuildFarm { 'before'; nix-build $file --no-out-link 2>`$null; " +
            "sh -c 'exit 7' } | ForEach-Object { if (Test-Path `$_) { Get-Content `$_ } else { `$_ } }; exit `$LASTEXITCODE")
        $run.Output | Should -Be 'before', 'built on kana'
        $run.ExitCode | Should -Be 7
    }

    It 'gives the failure of a build as the program that asked gives it' {
        $file = New-NixFile @{ bad = 'echo words of the failure; exit 3' }
        $run = Invoke-Pwsh "Use-NixBuildFarm -Builder ruby { nix-build $file --no-out-link; exit `$LASTEXITCODE }"
        $run.ExitCode | Should -Not -Be 0
        $said = $run.Problems -join "`n"
        $said | Should -Match "failed with exit code 3.*on 'ruby'"
        $said | Should -Match 'words of the failure'
    }

    It 'leaves the session as it was when its block throws' {
        $run = Invoke-Pwsh "try { Use-NixBuildFarm -Builder ruby { throw 'out of it' } } catch { `"`$_`" }; `"remote: `$env:NIX_REMOTE`""
        $run.Output | Should -Be 'out of it', 'remote: '
    }
}

Describe 'A farm that serves' {
    BeforeAll {
        $user = New-User
        $started = Invoke-Pwsh '(Start-NixBuildFarm -Builder ruby).Name; Start-NixBuildFarm second -Builder kana | ForEach-Object Name' `
            -Environment $user
    }

    AfterAll {
        $null = Invoke-Pwsh 'Get-NixBuildFarm | Stop-NixBuildFarm' -Environment $user
    }

    It 'outlives the session that started it, and every other one lists it' {
        $started.Output | Should -Be 'default', 'second'
        $run = Invoke-Pwsh 'Get-NixBuildFarm | ForEach-Object { "$($_.Name): $($_.Builders)" }' -Environment $user
        $run.Output | Should -Be 'default: ruby', 'second: kana'
    }

    It 'that cannot be started says why, and nothing else' {
        $run = Invoke-Pwsh 'try { Start-NixBuildFarm third -AllowUser nobody-there -ErrorAction Stop } catch { "$_" }' -Environment $user
        $run.Output | Should -Be ('The farm third did not come to serve: There is no user nobody-there in /etc/passwd. ' +
            'Give the id of a user who comes from elsewhere: id -u NAME says it.')
    }

    It 'is completed for <_>' -ForEach 'Get-NixBuildFarm sec', 'Stop-NixBuildFarm sec', 'Invoke-NixDistributedBuild x -Farm sec' {
        $run = Invoke-Pwsh "(TabExpansion2 '$_' $($_.Length)).CompletionMatches.CompletionText" -Environment $user
        $run.Output | Should -Be 'second'
    }

    It 'builds for Nix commands that have its address' {
        $file = New-NixFile @{ one = 'read -r host < /proc/sys/kernel/hostname; echo built on $host > $out' }
        $run = Invoke-Pwsh ("`$env:NIX_REMOTE = (Get-NixBuildFarm second).Address; Get-Content (nix-build $file --no-out-link 2>`$null)") `
            -Environment $user
        $run.Output | Should -Be 'built on kana'
    }

    It 'goes on with a build whose session has ended, which others find, follow and wait for' {
        $mark = New-DerivationName gate
        $file = New-NixFile @{ slow = Get-GatedCommand $mark }
        $begun = Invoke-Pwsh "(Invoke-NixDistributedBuild -Path $file -Detach).RunId" -Environment $user
        $begun.ExitCode | Should -Be 0
        Wait-Until { (Measure-Gated $mark ruby) -gt 0 } 'ruby builds'
        (Invoke-Pwsh '(Get-NixBuild -State Running).RunId' -Environment $user).Output | Should -Be $begun.Output
        $waiting = Start-Pwsh "Wait-NixBuild $($begun.Output) | ForEach-Object { `"`$(`$_.RunId) `$(`$_.State)`" }" -Environment $user
        Open-Gate $mark ruby
        ($waiting | Wait-Pwsh).Output | Should -Be "$($begun.Output) Succeeded"
    }

    It 'ends a build that another session stops' {
        $mark = New-DerivationName gate
        $file = New-NixFile @{ slow = Get-GatedCommand $mark }
        $null = Invoke-Pwsh "Invoke-NixDistributedBuild -Path $file -Detach" -Environment $user
        Wait-Until { (Measure-Gated $mark ruby) -gt 0 } 'ruby builds'
        $run = Invoke-Pwsh 'Get-NixBuild -State Running | Stop-NixBuild; (Get-NixBuild -Last 1 | Wait-NixBuild).State' -Environment $user
        $run.Output | Should -Be 'Stopped'
        Wait-Until { (Measure-Gated $mark ruby) -eq 0 } 'the build on ruby has ended'
    }

    It 'ends when it is stopped, and nothing else does' {
        $run = Invoke-Pwsh ('Stop-NixBuildFarm second -WhatIf; (Get-NixBuildFarm).Name; ' +
            'Stop-NixBuildFarm second; (Get-NixBuildFarm).Name; ' +
            'Stop-NixBuildFarm second -ErrorAction SilentlyContinue -ErrorVariable e; $e.FullyQualifiedErrorId') -Environment $user
        $run.Output[1..4] | Should -Be 'default', 'second', 'default', 'FarmNotFound,NixBuildFarm.Farms.StopNixBuildFarmCommand'
    }
}
