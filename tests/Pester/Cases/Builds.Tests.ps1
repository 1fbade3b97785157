# Builds that failed once, or went otherwise than with Nix: each is named by what was seen.
BeforeAll {
    Import-Module "$PSScriptRoot/../FarmSession.psm1" -Force
    Import-Module /opt/NixBuildFarm
    function Remove-Builder([string] $Name) { Invoke-Farm remove $Name }
    # For what this machine's daemon must read again.
    function Restart-Daemon {
        Invoke-Farm daemon-kill coordinator
        Invoke-Farm daemon-start coordinator
    }
}

Describe 'A builder that is down, under Stop' {
    It 'is a warning, and everything is built' {
        Invoke-Farm sshd-stop ruby
        try {
            $run = Invoke-Pwsh ("`$ErrorActionPreference = 'Stop'; try { `"built: `$((Invoke-NixDistributedBuild -Path $(New-NixFile) " +
                "-Builder ruby, kana).Status)`" } catch { `"ABORTED: `$_`" }")
        }
        finally { Invoke-Farm sshd-start ruby }
        $run.Output | Should -Contain 'built: Built'
        "$($run.Output)" | Should -Match 'WARNING: .*ruby'
    }
}

Describe 'A machine of another system' {
    AfterEach { Remove-Builder mac }

    It 'is not logged in to' {
        Invoke-Farm add mac --systems aarch64-darwin
        (Invoke-NixDistributedBuild -Path (New-NixFile) -InformationAction Ignore).Status | Should -Be 'Built'
        Invoke-Farm exec mac cat /run/sshd.log | Should -Not -Match 'Accepted'
    }

    It 'is not spoken of when it does not answer' {
        Invoke-Farm add mac --systems aarch64-darwin
        Invoke-Farm blackhole mac
        $said = @{
            ErrorVariable = 'problem'; ErrorAction = 'SilentlyContinue'; WarningVariable = 'warning'; WarningAction = 'SilentlyContinue'
        }
        $result = Invoke-NixDistributedBuild -Path (New-NixFile) -InformationAction Ignore @said
        $result.Status | Should -Be 'Built'
        "$problem $warning" | Should -Not -Match 'mac'
    }
}

Describe 'One machine in two entries of the list' {
    AfterEach { Remove-Builder twice }

    It 'has one set of slots' {
        Invoke-Farm add twice --unlisted --slots 8
        $key = Invoke-Farm exec twice base64 -w0 /etc/ssh/ssh_host_ed25519_key.pub
        Set-Content "$TestDrive/list" "ssh-ng://root@twice x86_64-linux - 2 1 - - $key", "ssh-ng://root@twice i686-linux - 2 1 - - $key"
        # Each build tells how many run beside it.
        $build = ('mkdir -p /tmp/running; echo > /tmp/running/$$; ls /tmp/running | wc -l >> /tmp/most; sleep 0.7; rm /tmp/running/$$; ' +
            'echo > $out')
        $files = foreach ($system in 'x86_64-linux', 'i686-linux') { New-NixFile -System $system @{ a = $build; b = $build; c = $build } }
        Set-Content "$TestDrive/both.nix" "{ a = import $($files[0]); b = import $($files[1]); }"
        $results = Get-NixBuilder -Path "$TestDrive/list" | Where-Object IsLocal -EQ $false |
            Invoke-NixDistributedBuild -Path "$TestDrive/both.nix" -Attribute a.a, a.b, a.c, b.a, b.b, b.c -InformationAction Ignore
        @($results | Where-Object Status -EQ Built).Count | Should -Be 6
        [int] (Invoke-Farm exec twice sh -c 'sort -n /tmp/most | tail -n 1') | Should -BeLessOrEqual 2
    }
}

Describe 'Outputs' {
    BeforeAll {
        $folder = New-Item -ItemType Directory "$TestDrive/flake"
        $name = New-DerivationName multi
        Set-Content "$folder/flake.nix" @"
            { outputs = { self }: { packages.x86_64-linux.multi = derivation {
                name = "$name"; system = "x86_64-linux"; outputs = [ "out" "dev" "doc" ];
                builder = "/bin/sh"; args = [ "-c" "echo > `$out; echo > `$dev; echo > `$doc" ]; }; }; }
"@
    }

    It 'of <_> are those that nix build links to' -ForEach 'multi', 'multi.dev' {
        foreach ($kind in 'stock', 'ours') { $null = New-Item -ItemType Directory "$TestDrive/$_/$kind" }
        nix build "$folder#$_" --option builders '' --out-link "$TestDrive/$_/stock/result" 2>$null
        $LASTEXITCODE | Should -Be 0
        $null = Invoke-NixDistributedBuild "$folder#$_" -OutLink "$TestDrive/$_/ours/result" -InformationAction Ignore
        $stock, $ours = foreach ($kind in 'stock', 'ours') {
            (Get-ChildItem "$TestDrive/$_/$kind" | ForEach-Object { "$($_.Name) $($_.LinkTarget)" }) -join "`n"
        }
        $ours | Should -Be $stock
    }
}

Describe 'The post-build-hook of this machine' {
    It 'runs for what was built elsewhere, or a warning says that it does not' {
        Set-Content /etc/nix/hook.sh '#!/bin/sh', 'echo "$DRV_PATH" >> /run/hook.log'
        chmod +x /etc/nix/hook.sh
        Copy-Item /etc/nix/nix.conf "$TestDrive/nix.conf"
        Add-Content /etc/nix/nix.conf 'post-build-hook = /etc/nix/hook.sh'
        Restart-Daemon
        try {
            $said = @{ InformationAction = 'Ignore'; WarningVariable = 'warning'; WarningAction = 'SilentlyContinue' }
            $result = Invoke-NixDistributedBuild -Path (New-NixFile) -Builder kana @said
            $result.Builder | Should -Be 'kana'
            $hooked = (Test-Path /run/hook.log) -and (Get-Content /run/hook.log) -contains $result.DerivationPath
            ($hooked -or "$warning" -match 'post-build-hook') | Should -BeTrue
        }
        finally {
            Copy-Item "$TestDrive/nix.conf" /etc/nix/nix.conf
            Restart-Daemon
        }
    }
}

Describe 'Import from derivation' {
    AfterEach { Remove-Builder riscy }

    It 'is built by the chosen builders, or the error names it' {
        Invoke-Farm add riscy --unlisted --systems 'x86_64-linux,riscv64-linux' --conf 'extra-platforms = riscv64-linux'
        Invoke-Farm machine riscy | Set-Content "$TestDrive/list"
        Set-Content "$TestDrive/ifd.nix" @"
            let
              make = name: text: derivation { name = "`${name}-$(New-DerivationName)"; system = "riscv64-linux";
                builder = "/bin/sh"; args = [ "-c" "echo `${text} > `$out" ]; };
            in make "top-`${toString (import (make "generated" "5"))}" "6"
"@
        $quiet = @{ InformationAction = 'Ignore'; ErrorVariable = 'problem'; ErrorAction = 'SilentlyContinue' }
        $result = Get-NixBuilder -Path "$TestDrive/list" riscy |
            Invoke-NixDistributedBuild -Path "$TestDrive/ifd.nix" @quiet
        if ($result.Status -ne 'Built') {
            "$problem $($problem.ErrorDetails.RecommendedAction)" | Should -Match 'import.from.derivation|while it was evaluated'
        }
    }
}

Describe 'nix log' {
    It 'finds the log of what was built elsewhere' {
        $file = New-NixFile @{ logged = 'echo words of the build; echo > $out' }
        $result = Invoke-NixDistributedBuild -Path $file -Builder kana -InformationAction Ignore
        $result.Builder | Should -Be 'kana'
        nix log $result.DerivationPath --store daemon 2>$null | Should -Be 'words of the build'
    }
}

Describe 'A build that is killed' {
    It 'is told by the signal, without the claim that memory ran out' {
        $quiet = @{ InformationAction = 'Ignore'; ErrorVariable = 'problem'; ErrorAction = 'SilentlyContinue' }
        $null = Invoke-NixDistributedBuild -Path (New-NixFile @{ killed = 'kill -9 $$' }) @quiet
        $told = "$problem $($problem.ErrorDetails.RecommendedAction)"
        $told | Should -Match 'signal 9'
        $told | Should -Not -Match 'ran out|not enough'
    }
}
