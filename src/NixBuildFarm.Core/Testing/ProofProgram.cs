using System.Buffers.Binary;

namespace NixBuildFarm.Testing;

/// <summary>
/// A program of some 200 bytes for one processor, which needs no library: it counts down, and then makes the file that its first argument
/// names. That it has run proves that a machine runs programs of that processor, itself or by emulation, which no script of the
/// machine's own shell could; how long it took says how fast.
/// </summary>
internal static class ProofProgram
{
    /// <summary>Rounds of two instructions: about a tenth of a second on a usual processor, a multiple of that by emulation.</summary>
    private const uint Rounds = 0x1000_0000;

    private const ushort X64 = 62;
    private const ushort Arm64 = 183;
    private const ushort RiscV = 243;
    private const int HeaderSize = 64;
    private const int ProgramHeaderSize = 56;
    private const ulong Base = 0x40_0000;

    /// <summary>The program for a system; null: there is none for it.</summary>
    public static byte[]? For(string system) => system switch
    {
        "x86_64-linux" => Elf(X64, X64Code),
        "aarch64-linux" => Elf(Arm64, Words(Arm64Code)),
        "riscv64-linux" => Elf(RiscV, Words(RiscVCode)),
        _ => null,
    };

    // When a program starts, the stack holds the number of arguments, its name, and the first argument.
    private static byte[] X64Code =>
    [
        0xB9, .. LittleEndian(Rounds),      // mov ecx, rounds
        0xFF, 0xC9,                         // again: dec ecx
        0x75, 0xFC,                         // jnz again
        0x48, 0x8B, 0x7C, 0x24, 0x10,       // mov rdi, [rsp + 16]
        0xBE, 0x41, 0x02, 0x00, 0x00,       // mov esi, O_WRONLY | O_CREAT | O_TRUNC
        0xBA, 0xA4, 0x01, 0x00, 0x00,       // mov edx, 0644
        0xB8, 0x02, 0x00, 0x00, 0x00,       // mov eax, open
        0x0F, 0x05,                         // syscall
        0x89, 0xC7,                         // mov edi, eax
        0xC1, 0xEF, 0x1F,                   // shr edi, 31: 1 where it has failed
        0xB8, 0x3C, 0x00, 0x00, 0x00,       // mov eax, exit
        0x0F, 0x05,                         // syscall
    ];

    private static uint[] Arm64Code =>
    [
        0x52A00000 | (Rounds >> 16 << 5),   // mov w0, rounds
        0x71000400,                         // again: subs w0, w0, 1
        0x54FFFFE1,                         // b.ne again
        0x92800C60,                         // mov x0, AT_FDCWD
        0xF9400BE1,                         // ldr x1, [sp, 16]
        0x52804822,                         // mov w2, O_WRONLY | O_CREAT | O_TRUNC
        0x52803483,                         // mov w3, 0644
        0xD2800708,                         // mov x8, openat
        0xD4000001,                         // svc 0
        0xD37FFC00,                         // lsr x0, x0, 63
        0xD2800BA8,                         // mov x8, exit
        0xD4000001,                         // svc 0
    ];

    private static uint[] RiscVCode =>
    [
        Rounds | 0x2B7,                     // lui t0, rounds
        0xFFF28293,                         // again: addi t0, t0, -1
        0xFE029EE3,                         // bnez t0, again
        0xF9C00513,                         // li a0, AT_FDCWD
        0x01013583,                         // ld a1, 16(sp)
        0x24100613,                         // li a2, O_WRONLY | O_CREAT | O_TRUNC
        0x1A400693,                         // li a3, 0644
        0x03800893,                         // li a7, openat
        0x00000073,                         // ecall
        0x03F55513,                         // srli a0, a0, 63
        0x05D00893,                         // li a7, exit
        0x00000073,                         // ecall
    ];

    /// <summary>
    /// The smallest executable file of 64 bits: a header, one segment that is the whole file, the code (System V ABI, chapters 4 and 5).
    /// </summary>
    private static byte[] Elf(ushort machine, byte[] code)
    {
        const int Start = HeaderSize + ProgramHeaderSize;
        var file = new byte[Start + code.Length];
        byte[] identification = [0x7F, (byte)'E', (byte)'L', (byte)'F', 2, 1, 1]; // 64 bits, little endian, version 1
        identification.CopyTo(file, 0);
        Put16(16, 2);                       // an executable
        Put16(18, machine);
        Put32(20, 1);
        Put64(24, Base + Start);            // where it begins to run
        Put64(32, HeaderSize);              // where the segment is described
        Put16(52, HeaderSize);
        Put16(54, ProgramHeaderSize);
        Put16(56, 1);
        Put32(64, 1);                       // to be loaded
        Put32(68, 5);                       // readable, executable
        Put64(80, Base);
        Put64(88, Base);
        Put64(96, (ulong)file.Length);
        Put64(104, (ulong)file.Length);
        Put64(112, 0x1000);
        code.CopyTo(file, Start);
        return file;

        void Put16(int at, ushort value) => BinaryPrimitives.WriteUInt16LittleEndian(file.AsSpan(at), value);
        void Put32(int at, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(file.AsSpan(at), value);
        void Put64(int at, ulong value) => BinaryPrimitives.WriteUInt64LittleEndian(file.AsSpan(at), value);
    }

    private static byte[] Words(uint[] words) => [.. words.SelectMany(LittleEndian)];

    private static byte[] LittleEndian(uint value)
    {
        var bytes = new byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, value);
        return bytes;
    }
}
